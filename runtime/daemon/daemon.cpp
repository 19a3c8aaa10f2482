// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/daemon.hpp"

#include "base/utf8.hpp"
#include "home/files.hpp"
#include "identity/derive.hpp"
#include "protocol/object.hpp"
#include "quic/sha256.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <unistd.h>

namespace kith::daemon {
namespace {

constexpr Duration stop_grace = std::chrono::seconds(2);         ///< After the drain's deadline, for plugins to leave.
constexpr Duration last_writes = std::chrono::seconds(2);        ///< For the disk thread, at the end.
constexpr Duration settle_time = std::chrono::milliseconds(200); ///< One change of network is many messages.
constexpr Duration longest_settling = std::chrono::seconds(2);   ///< Routes of some machines never cease to change.
constexpr Duration look_time = std::chrono::seconds(10);         ///< Between looks at the addresses, where the kernel tells of no changes.
constexpr Duration idle_margin = std::chrono::seconds(30);
constexpr std::size_t most_start_problems = 10; ///< That a terminal is told of; all of them are in the log.
constexpr int exit_by_signal = 130;             ///< A second SIGINT or SIGTERM: as shells say it.

io::WorldSettings world_settings(const config::DaemonConfig& settings) {
  io::WorldSettings out;
  out.workers.usual_threads = settings.plugin_threads;
  out.workers.max_plugin_threads = settings.max_plugin_threads;
  out.workers.stuck_after = std::chrono::duration_cast<std::chrono::milliseconds>(settings.plugin_busy_after);
  return out;
}

node::Settings node_settings(const config::DaemonConfig& from) {
  node::Settings to;
  to.quic.handshake_timeout = from.handshake_timeout;
  to.quic.keep_alive = from.keep_alive;
  to.quic.idle_timeout = std::max(to.quic.idle_timeout, from.idle_timeout + idle_margin); // the pool's comes first, and says goodbye
  to.quic.stream_window = from.stream_window;
  to.quic.max_stream_window = from.max_stream_window;
  to.quic.max_parked_bytes = from.max_parked_bytes;
  to.quic.max_send_buffer = from.max_send_buffer;
  to.quic.max_streams = from.max_streams;
  to.quic.max_connections = from.max_connections;
  to.quic.max_half_open = from.max_half_open;
  to.quic.max_half_open_per_source = from.max_half_open_per_source;
  to.quic.retry_above = from.retry_from_half_open;
  to.quic.retry_above_per_source = from.retry_above_per_source;
  to.quic.connection_window = from.connection_window;
  to.quic.max_uni_streams = from.max_uni_streams;
  to.quic.max_packet = from.max_packet;
  to.quic.stateless_resets_per_second = static_cast<std::uint32_t>(from.max_resets_per_second);
  to.pool.attempt_gap = from.race_delay;
  to.pool.connect_timeout = from.connect_timeout;
  to.pool.idle_close = from.idle_timeout;
  to.pool.stranger_silence = from.stranger_timeout;
  to.pool.backoff_first = from.backoff_first;
  to.pool.backoff_limit = from.backoff_most;
  to.pool.max_connections = from.max_connections;
  to.pool.max_connections_per_identity = from.max_connections_per_identity;
  to.pool.max_connections_per_key = from.max_connections_per_peer;
  to.pool.max_stranger_connections = from.max_stranger_connections;
  to.pool.max_attempts_per_peer = from.max_attempts_per_peer;
  to.pool.max_addresses_per_peer = from.max_addresses_per_peer;
  to.pool.max_waiters_per_peer = from.max_waiters_per_peer;
  to.pool.max_redials = from.max_redials;
  to.max_call_bytes = from.max_call_bytes;
  to.max_resend_bytes = from.max_retry_bytes;
  to.max_buffer_bytes = to.quic.max_buffer_bytes = from.max_buffer_bytes;
  to.drain_deadline = from.drain_deadline;
  to.header_timeout = from.header_timeout;
  to.stream_open_timeout = from.stream_open_timeout;
  to.call_timeout = from.call_timeout;
  to.unproven_timeout = from.unproven_timeout;
  to.unread_timeout = from.unread_timeout;
  to.max_held = from.max_held;
  to.max_unproven = from.max_unproven_connections;
  to.max_goaways = from.max_goaways;
  to.max_streams = from.max_total_streams;
  to.max_headerless_streams = from.max_headerless_streams;
  to.max_hinted_initials = from.max_hinted_initials;
  return to;
}

control::Limits control_limits(const config::DaemonConfig& from) {
  control::Limits to;
  to.max_call_bytes = from.max_call_bytes;
  to.max_clients = from.max_clients;
  to.max_requests = from.max_client_requests;
  to.max_queue = from.max_client_queue;
  to.max_streams = from.max_client_streams;
  to.stall_timeout = from.client_stall_timeout;
  return to;
}

quic::Secrets quic_secrets(ByteView secret) {
  quic::Secrets out;
  out.reset = identity::derive(secret, "reset-token");
  out.retry = identity::derive(secret, "retry-token");
  const auto hash = identity::derive(secret, "cid-hash");
  std::copy_n(hash.begin(), out.hash.size(), out.hash.begin());
  return out;
}

/// lib/kith/plugins beside the bin folder of this program, wherever it was moved to.
std::filesystem::path installed_plugins() {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? std::filesystem::path() : self.parent_path().parent_path() / "lib/kith/plugins";
}

std::string notify_socket() {
  const char* set = std::getenv("NOTIFY_SOCKET"); // NOLINT(concurrency-mt-unsafe): read before any thread changes it; nobody does
  return set != nullptr ? set : "";
}

} // namespace

Result<Ground> prepare(const Options& options) {
  if (const auto enough = io::check_file_limit(); !enough) return enough.error();
  auto home = home::Home::open(options.home);
  if (!home) return home.error();
  auto lock = home::Lock::acquire(home->path());
  if (!lock) return lock.error();
  home->sweep();
  auto settings = home->load_settings();
  if (!settings) return settings.error();
  return Ground{std::move(*home), std::move(*lock), std::move(*settings)};
}

std::vector<Error> find_problems(const Options& options) {
  const auto home = home::Home::at(options.home);
  if (!home) return {home.error()};
  std::vector<Error> problems = home->problems();
  if (home::exists(home->state_path())) {
    if (const auto good = store::Store::check(home->state_path()); !good) problems.push_back(good.error());
  }
  const auto settings = home::exists(home->settings_path()) ? home->load_settings() : Result<config::DaemonConfig>(config::DaemonConfig());
  if (!settings || home::socket_answers(home->socket_path())) return problems; // a daemon that runs here has the ports
  for (const Address& address : settings->listen) {
    if (const auto good = io::check_listen(address); !good) problems.push_back(good.error());
  }
  return problems;
}

std::string problems_json(const Options& options, const std::vector<Error>& problems) {
  const auto home = home::Home::at(options.home);
  std::vector<config::Problem> placed;
  for (const Error& problem : problems) {
    const bool of_settings = home && problem.text.starts_with(home->settings_path());
    placed.push_back(config::problem_in(of_settings ? home->settings_path() : "", problem));
  }
  return protocol::ObjectWriter().texts("files", {}).raw("errors", control::errors_json(placed)).finish();
}

Daemon::Daemon(Ground ground, std::unique_ptr<DaemonLog> log, const Options& options)
    : ground_(std::move(ground)),
      log_(std::move(log)),
      options_(options),
      world_(*log_, world_settings(ground_.settings)),
      notifier_(notify_socket()) {}

Daemon::~Daemon() = default;

Result<void> Daemon::start() {
  io::raise_file_limit(ground_.settings.max_open_files, *log_);
  io::harden_process(*log_);
  if (auto done = open_parts(); !done) return done;
  if (auto done = open_sockets(); !done) return done;
  admin_->adopt_all();
  if (auto done = watch_signals(); !done) return done;
  if (auto done = server_->listen(ground_.home.socket_path()); !done) return done;
  watch_addresses();
  return {};
}

Result<void> Daemon::open_parts() {
  home::Home& home = ground_.home;
  const auto secret = home.daemon_secret(world_.random());
  if (!secret) return secret.error();
  auto store = store::Store::open(home.state_path(), *log_);
  if (!store) return store.error();
  store_ = std::move(*store);
  if (auto done = load_identities(); !done) return done; // before the plugins: bindings pin their files

  plugin_host::RegistryOptions where;
  where.folders = {installed_plugins(), home.plugins_path()};
  where.load.private_folder = home.path() + "/cache";
  where.load.sha256 = quic::sha256_hex;
  plugin_host::RegistryOptions pinned = where;
  for (const config::PluginPin& pin : pins_) pinned.pins[pin.protocol].insert(pin.sha256);
  node::PluginOptions plugins;
  plugins.registry = plugin_host::Registry::scan(pinned);
  plugins.data_folder = [path = home.path()](const PeerId& id, std::string_view protocol, std::string_view alias) {
    return std::filesystem::path(path) / "data" / id.text() / protocol / alias;
  };
  plugins.inline_overrun = ground_.settings.inline_overrun;
  plugins.fence_after = ground_.settings.plugin_fence_after;
  plugins.check_timeout = ground_.settings.plugin_check_timeout;
  plugins_ = std::make_unique<node::PluginServices>(world_, std::move(plugins));
  observer_ = std::make_unique<control::Observer>(world_, *store_, roster_, topics_);
  node_ = std::make_unique<node::Node>(world_, node_settings(ground_.settings), quic_secrets(*secret), *plugins_, *observer_);
  plugins_->set_node(node_->dialer(), node_->slabs());
  backend_ = std::make_unique<control::NodeBackend>(*node_);
  admin_ = std::make_unique<control::Admin>(
      control::AdminParts{world_, home, *store_, *node_, *plugins_, roster_, topics_, std::move(where), ground_.settings, KITH_VERSION,
                          [this](const config::DaemonConfig& settings) { apply(settings); }, [this](const PeerId& id) { backend_->reattach(id); },
                          [this](TimePoint deadline) { begin_stop(deadline); }});
  context_ = std::make_unique<control::Context>(
      control::Context{world_, world_.reactor(), *backend_, roster_, topics_, *admin_, control_limits(ground_.settings), KITH_VERSION, home.path()});
  server_ = std::make_unique<control::Server>(*context_);
  return {};
}

Result<void> Daemon::load_identities() {
  auto files = ground_.home.load_all();
  if (!files) return files.error();
  for (auto& file : *files) {
    control::KnownIdentity& identity = roster_.add(file.name);
    pins_.insert(pins_.end(), file.pins.begin(), file.pins.end());
    identity.problems = std::move(file.errors);
    if (!file.loaded) continue;
    identity.id = file.loaded->config.id;
    identity.loaded = std::make_shared<const home::LoadedIdentity>(std::move(*file.loaded));
  }
  auto peers = store_->list_peers();
  if (!peers) return peers.error();
  for (auto& row : *peers) {
    if (control::KnownIdentity* identity = roster_.by_id(row.identity); identity != nullptr) roster_.put_peer(*identity, std::move(row));
  }
  return {};
}

Result<void> Daemon::open_sockets() {
  const std::vector<Address>& asked = options_.listen.empty() ? ground_.settings.listen : options_.listen;
  for (const Address& address : asked) {
    if (const auto bound = node_->listen(address); !bound) return bound.error();
  }
  if (!asked.empty()) return {};
  // Wildcards on the port of last time, so that tickets which others have stay good.
  const auto remembered = ground_.home.remembered_port();
  if (!remembered) return remembered.error();
  auto v4 = node_->listen(make_v4({}, remembered->value_or(0)));
  if (!v4 && *remembered) {
    log_->warn("daemon", v4.error().text + "; taking another port: tickets given before no longer name it");
    v4 = node_->listen(make_v4({}, 0));
  }
  if (!v4) return v4.error();
  if (const auto v6 = node_->listen(make_v6({}, v4->port)); !v6) log_->warn("daemon", "no IPv6: " + v6.error().text);
  if (*remembered == v4->port) return {};
  return ground_.home.remember_port(v4->port);
}

void Daemon::watch_addresses() {
  addresses_settled_ = world_.make_timer([this] {
    addresses_unsettled_.reset();
    node_->addresses_changed();
    if (!addresses_) addresses_settled_->arm(world_.now() + look_time);
  });
  auto watcher = io::AddressWatcher::open(world_.reactor(), [this] {
    if (!addresses_unsettled_) addresses_unsettled_ = world_.now();
    addresses_settled_->arm(std::min(world_.now() + settle_time, *addresses_unsettled_ + longest_settling));
  });
  if (watcher) {
    addresses_ = std::move(*watcher);
  } else {
    log_->warn("daemon", "changes of network are noticed after up to 10 s: " + watcher.error().text);
    addresses_settled_->arm(world_.now() + look_time);
  }
}

Result<void> Daemon::watch_signals() {
  auto signals = io::Signals::open(
      world_.reactor(),
      [this] {
        if (stopping_) {
          log_->warn("daemon", "told to stop a second time: it ends at once");
          ::_exit(exit_by_signal);
        }
        begin_stop(world_.now() + ground_.settings.drain_deadline);
      },
      [this] {
        if (stopping_) return; // the next start reads the files
        listen_again();
        notifier_.notify(io::ServiceState::reloading, world_.now());
        admin_->reload([this](const control::Told& told) {
          if (!told) log_->error("daemon", "reload: " + told.error().text);
          notifier_.notify(io::ServiceState::ready, world_.now());
        });
      });
  if (!signals) return signals.error();
  signals_ = std::move(*signals);
  return {};
}

int Daemon::run(Readiness readiness) {
  for (const Address& address : node_->listening()) log_->info("daemon", "listening on " + address.text());
  log_->info("daemon", std::string("kithd ") + KITH_VERSION + " is ready, pid " + std::to_string(::getpid()) + ", home " + ground_.home.path());
  notifier_.notify(io::ServiceState::ready, world_.now());
  if (options_.json) {
    protocol::ObjectWriter ready;
    ready.number("pid", static_cast<std::uint64_t>(::getpid())).text("version", KITH_VERSION).text("home", ground_.home.path());
    std::cout << ready.texts("listen", control::address_texts(node_->listening())).finish()
              << std::endl; // NOLINT(performance-avoid-endl): whoever waits for it
  }
  if (options_.detach) { // else the log was on standard error all the time
    std::size_t left = most_start_problems;
    const auto problems = admin_->problem_lines();
    for (auto problem = problems.begin(); problem != problems.end() && left > 0; ++problem, --left)
      std::cerr << "kithd: " + escape_line(*problem) + "\n";
    if (problems.size() > most_start_problems) {
      std::cerr << "kithd: and " + std::to_string(problems.size() - most_start_problems) + " more mistakes: kith config check\n";
    }
  }
  readiness.ready();
  world_.run();
  if (world_.finish(last_writes)) store_.reset(); // SQLite folds its log into state.db; nothing runs any more that could ask for it
  log_->info("daemon", "stopped");
  return 0;
}

/// A socket that somebody deleted.
void Daemon::listen_again() {
  if (!ground_.lock.is_of(ground_.home.path())) {
    log_->error("daemon", ground_.home.path() + " was moved or replaced: its socket is another daemon's to make; `kill " +
                              std::to_string(::getpid()) + "` ends this one, whose home is no longer there");
    return;
  }
  if (const auto listening = server_->listen(ground_.home.socket_path()); !listening) log_->error("daemon", listening.error().text);
}

/// What a reload may change, in force from now on (config::apply_live).
void Daemon::apply(const config::DaemonConfig& settings) {
  ground_.settings = settings;
  log_->set_level(settings.log_level);
  io::raise_file_limit(settings.max_open_files, *log_);
  node_->apply(node_settings(settings));
  plugins_->set_limits(settings.inline_overrun, settings.plugin_fence_after, settings.plugin_check_timeout);
  context_->limits = control_limits(settings);
}

/// New streams are refused from here on; what runs may go on until the deadline. Once more, with an earlier one: then.
void Daemon::begin_stop(TimePoint deadline) {
  if (stopping_ && *stopping_ <= deadline) return;
  if (!stopping_) {
    log_->info("daemon", "stopping");
    notifier_.notify(io::ServiceState::stopping, world_.now());
    admin_->tell_stopping();
    world_.disk().post([this] { ground_.lock.tell_stopping(); });
    stop_timer_ = world_.make_timer([this] {
      log_->warn("daemon", "something did not stop in time");
      end();
    });
  }
  stopping_ = deadline;
  stop_timer_->arm(deadline + stop_grace);
  node_->shutdown(deadline, [this] { end(); });
}

void Daemon::end() {
  server_->stop_listening();
  stop_timer_->arm(never);
  observer_->flush(std::numeric_limits<UnixSeconds>::max());
  world_.network().post([this] { world_.stop(); }); // what is queued goes out first
}

} // namespace kith::daemon
