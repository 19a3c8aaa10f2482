// SPDX-License-Identifier: Apache-2.0
// The commands' handlers, as the table names them. Each returns the exit code.
#pragma once

#include "context.hpp"

namespace kith::cli {

// identities.cpp
int create_identity(Context& context);
int list_identities(Context& context);
int show_identity(Context& context);
int rename_identity(Context& context);
int delete_identity(Context& context);
int identity_online(Context& context);
int identity_offline(Context& context);
int export_identity(Context& context);
int import_identity(Context& context);

// protocols.cpp
int add_protocol(Context& context);
int configure_protocol(Context& context);
int remove_protocol(Context& context);
int list_protocols(Context& context);
/// One line for each binding of an identity object.
Table bindings_table(const boost::json::value& identity);

// peers.cpp
int ticket(Context& context);
int peer_add(Context& context);
int peer_list(Context& context);
int peer_show(Context& context);
int peer_role(Context& context);
int peer_rename(Context& context);
int peer_addresses(Context& context);
int peer_remove(Context& context);

// calls.cpp
int call(Context& context);
int stream(Context& context);
/// A plugin's command, for its owner.
int local(Context& context);
std::vector<const OptionSpec*> local_options();

// daemon.cpp
int daemon(Context& context);
int stop(Context& context);
int reload(Context& context);
int config_check(Context& context);

// pool.cpp
int pool_list(Context& context);
int pool_close(Context& context);

// ping.cpp, trace.cpp, doctor.cpp
int ping(Context& context);
int trace(Context& context);
int doctor(Context& context);
/// What `kithd --check --json` says of a home. Errors: internal, when it can't be run.
Result<std::string> check_start(const std::string& home);

// status.cpp, logs.cpp
int status(Context& context);
int logs(Context& context);

/// "alice is offline"; with the error of one that failed.
void show_state(Context& context, const boost::json::value& identity);
/// File errors as "file:3:1: text", without those that were shown already.
std::vector<std::string> file_errors(const boost::json::value& answer, std::span<const std::string> shown);
/// Each a line, on `err`.
void show_file_errors(Context& context, const boost::json::value& answer, std::span<const std::string> shown = {});

} // namespace kith::cli
