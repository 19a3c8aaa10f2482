// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/trace.hpp"

#include "control/path_json.hpp"
#include "control/roster.hpp"
#include "protocol/fields.hpp"

#include <chrono>
#include <sys/stat.h>

namespace kith::control {

Trace::~Trace() { *alive_ = false; }

Result<void> Trace::start(const protocol::Request& request, std::vector<protocol::Fd> fds) {
  std::string name;
  std::string peer;
  std::uint64_t length = protocol::default_trace_ms;
  protocol::FieldReader read(request.fields);
  read.only({"id", "type", "fds", "identity", "peer", "for_ms"}).text("identity", name).need_text("peer", peer);
  read.number_within("for_ms", protocol::min_trace_ms, protocol::max_trace_ms, length);
  if (read.error()) return *read.error();
  if (fds.size() != 1) return bad_request("trace needs one descriptor, of the folder to write into (\"fds\":1)");
  struct stat about {};
  if (::fstat(fds.front().get(), &about) != 0 || !S_ISDIR(about.st_mode)) return bad_request("the descriptor is not of a folder");
  const auto resolved = session_.context().roster.resolve({name, peer, "", "", ""});
  if (!resolved) return resolved.error();
  identity_ = resolved->identity;
  peer_ = resolved->peer;
  length_ = std::chrono::milliseconds(length);
  World& world = session_.context().world;
  const auto guard = std::weak_ptr<bool>(alive_);
  files_ = std::make_shared<TraceFiles>(world, std::move(fds.front()), [this, guard] {
    if (!guard.expired()) finish();
  });
  end_ = world.make_timer([this] { finish(); });
  return session_.context().backend.start_trace(identity_, peer_, files_, [this, guard](const Result<node::Path>& path) {
    if (!guard.expired()) connected(path);
  });
}

void Trace::connected(const Result<node::Path>& path) {
  if (finishing_) return;
  if (!path) {
    unreached_ = session_.context().roster.explain(identity_, peer_, {false, path.error(), false, 0, 0});
    return finish();
  }
  answered_ = true;
  session_.answer(protocol::Answer::ok(id_, protocol::Body::of_json(path_json(session_.context().roster, identity_, peer_, *path).finish())));
  session_.settle();
  end_->arm(session_.context().world.now() + length_);
}

void Trace::finish() {
  if (finishing_) return;
  finishing_ = true;
  end_->arm(never);
  session_.context().backend.stop_trace(identity_, peer_);
  files_->finish([this, guard = std::weak_ptr<bool>(alive_)](const TraceSummary& summary) {
    if (!guard.expired()) finished(summary);
  });
}

void Trace::finished(const TraceSummary& summary) {
  if (answered_) {
    session_.send(protocol::TracedEvent{id_, summary.error, summary.files, summary.octets, summary.events, summary.dropped}.encode());
  } else {
    Error error = unreached_.value_or(summary.error.value_or(Error{Code::cancelled, "cancelled"}));
    if (unreached_ && !summary.files.empty()) {
      error.text += "; what was tried is in " + std::to_string(summary.files.size()) + (summary.files.size() == 1 ? " file" : " files");
    }
    session_.answer(protocol::Answer::failed(id_, std::move(error)));
    session_.settle();
  }
  session_.ended(id_);
}

} // namespace kith::control
