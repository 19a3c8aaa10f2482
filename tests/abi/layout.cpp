// SPDX-License-Identifier: Apache-2.0
// Prints the layout of every frozen struct of the plugin ABI: plugin-api/abi/1.0.txt holds what it must be.
#include <kith/abi/clock.h>
#include <kith/abi/config.h>
#include <kith/abi/entry.h>
#include <kith/abi/log.h>
#include <kith/abi/storage.h>
#include <kith/abi/stream.h>
#include <kith/abi/timer.h>

#include <cstdio>

#define STRUCT(type) std::printf("%s size %zu\n", #type, sizeof(type))
#define FIELD(type, field) std::printf("  %s %zu %zu\n", #field, offsetof(type, field), sizeof(type::field))

int main() {
  STRUCT(kith_text);
  FIELD(kith_text, data);
  FIELD(kith_text, size);
  STRUCT(kith_bytes);
  FIELD(kith_bytes, data);
  FIELD(kith_bytes, size);
  STRUCT(kith_buffer);
  FIELD(kith_buffer, data);
  FIELD(kith_buffer, size);
  STRUCT(kith_peer_key);
  FIELD(kith_peer_key, bytes);
  STRUCT(kith_host);
  FIELD(kith_host, struct_size);
  FIELD(kith_host, abi_major);
  FIELD(kith_host, abi_minor);
  FIELD(kith_host, get_capability);
  FIELD(kith_host, post);
  FIELD(kith_host, set_error);
  FIELD(kith_host, on_instance_thread);
  STRUCT(kith_command);
  FIELD(kith_command, struct_size);
  FIELD(kith_command, scope);
  FIELD(kith_command, least_role);
  FIELD(kith_command, reserved);
  FIELD(kith_command, name);
  FIELD(kith_command, summary);
  STRUCT(kith_protocol);
  FIELD(kith_protocol, struct_size);
  FIELD(kith_protocol, flags);
  FIELD(kith_protocol, needs);
  FIELD(kith_protocol, default_access);
  FIELD(kith_protocol, name);
  FIELD(kith_protocol, version);
  FIELD(kith_protocol, summary);
  FIELD(kith_protocol, config_schema);
  FIELD(kith_protocol, cli_noun);
  FIELD(kith_protocol, commands);
  FIELD(kith_protocol, command_count);
  FIELD(kith_protocol, reserved);
  FIELD(kith_protocol, get_capability);
  FIELD(kith_protocol, create);
  FIELD(kith_protocol, configure);
  FIELD(kith_protocol, start);
  FIELD(kith_protocol, drain);
  FIELD(kith_protocol, stop);
  FIELD(kith_protocol, destroy);
  STRUCT(kith_plugin);
  FIELD(kith_plugin, struct_size);
  FIELD(kith_plugin, abi_major);
  FIELD(kith_plugin, abi_minor_needed);
  FIELD(kith_plugin, name);
  FIELD(kith_plugin, version);
  FIELD(kith_plugin, protocols);
  FIELD(kith_plugin, protocol_count);
  FIELD(kith_plugin, reserved);
  STRUCT(kith_entry_args);
  FIELD(kith_entry_args, struct_size);
  FIELD(kith_entry_args, abi_major);
  FIELD(kith_entry_args, abi_minor);
  FIELD(kith_entry_args, context);
  FIELD(kith_entry_args, set_error);
  STRUCT(kith_stream_opened);
  FIELD(kith_stream_opened, struct_size);
  FIELD(kith_stream_opened, kind);
  FIELD(kith_stream_opened, stream);
  FIELD(kith_stream_opened, peer);
  FIELD(kith_stream_opened, role);
  FIELD(kith_stream_opened, reserved);
  FIELD(kith_stream_opened, deadline_ns);
  FIELD(kith_stream_opened, command);
  FIELD(kith_stream_opened, content_type);
  STRUCT(kith_stream_closed);
  FIELD(kith_stream_closed, struct_size);
  FIELD(kith_stream_closed, ok);
  FIELD(kith_stream_closed, code);
  FIELD(kith_stream_closed, remote);
  FIELD(kith_stream_closed, reserved);
  FIELD(kith_stream_closed, sent);
  FIELD(kith_stream_closed, received);
  FIELD(kith_stream_closed, text);
  STRUCT(kith_host_stream);
  FIELD(kith_host_stream, struct_size);
  FIELD(kith_host_stream, reserved);
  FIELD(kith_host_stream, accept);
  FIELD(kith_host_stream, reject);
  FIELD(kith_host_stream, finish);
  FIELD(kith_host_stream, reset);
  FIELD(kith_host_stream, peek);
  FIELD(kith_host_stream, consume);
  FIELD(kith_host_stream, reserve);
  FIELD(kith_host_stream, commit);
  FIELD(kith_host_stream, read);
  FIELD(kith_host_stream, write);
  FIELD(kith_host_stream, set_urgency);
  STRUCT(kith_plugin_stream);
  FIELD(kith_plugin_stream, struct_size);
  FIELD(kith_plugin_stream, reserved);
  FIELD(kith_plugin_stream, on_opened);
  FIELD(kith_plugin_stream, on_readable);
  FIELD(kith_plugin_stream, on_writable);
  FIELD(kith_plugin_stream, on_closed);
  STRUCT(kith_host_config);
  FIELD(kith_host_config, struct_size);
  FIELD(kith_host_config, reserved);
  FIELD(kith_host_config, current);
  FIELD(kith_host_config, binding);
  STRUCT(kith_plugin_config);
  FIELD(kith_plugin_config, struct_size);
  FIELD(kith_plugin_config, reserved);
  FIELD(kith_plugin_config, check);
  FIELD(kith_plugin_config, apply);
  STRUCT(kith_host_timer);
  FIELD(kith_host_timer, struct_size);
  FIELD(kith_host_timer, reserved);
  FIELD(kith_host_timer, start);
  FIELD(kith_host_timer, cancel);
  STRUCT(kith_plugin_timer);
  FIELD(kith_plugin_timer, struct_size);
  FIELD(kith_plugin_timer, reserved);
  FIELD(kith_plugin_timer, on_timer);
  STRUCT(kith_host_clock);
  FIELD(kith_host_clock, struct_size);
  FIELD(kith_host_clock, reserved);
  FIELD(kith_host_clock, now);
  FIELD(kith_host_clock, unix_now);
  STRUCT(kith_host_log);
  FIELD(kith_host_log, struct_size);
  FIELD(kith_host_log, reserved);
  FIELD(kith_host_log, write);
  FIELD(kith_host_log, enabled);
  STRUCT(kith_storage_completed);
  FIELD(kith_storage_completed, struct_size);
  FIELD(kith_storage_completed, status);
  FIELD(kith_storage_completed, operation);
  FIELD(kith_storage_completed, bytes);
  FIELD(kith_storage_completed, names);
  FIELD(kith_storage_completed, name_count);
  STRUCT(kith_host_storage);
  FIELD(kith_host_storage, struct_size);
  FIELD(kith_host_storage, reserved);
  FIELD(kith_host_storage, read);
  FIELD(kith_host_storage, replace);
  FIELD(kith_host_storage, remove);
  FIELD(kith_host_storage, list);
  FIELD(kith_host_storage, folder);
  STRUCT(kith_plugin_storage);
  FIELD(kith_plugin_storage, struct_size);
  FIELD(kith_plugin_storage, reserved);
  FIELD(kith_plugin_storage, on_completed);
}
