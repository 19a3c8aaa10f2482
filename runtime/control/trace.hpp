// SPDX-License-Identifier: GPL-3.0-or-later
// A program records a pair's connections for a while.
#pragma once

#include "control/session.hpp"
#include "control/trace_files.hpp"

namespace kith::control {

class Trace final : public Operation {
public:
  Trace(Session& session, std::string id) : session_(session), id_(std::move(id)) {}
  ~Trace() override;

  /// `folder`: the one descriptor that came with the request. Errors: nothing was started.
  Result<void> start(const protocol::Request& request, std::vector<protocol::Fd> fds);
  void cancel() override { finish(); }

private:
  void connected(const Result<node::Path>& path);
  void finish();
  void finished(const TraceSummary& summary);

  Session& session_;
  std::string id_;
  PeerId identity_;
  PeerId peer_;
  Duration length_{};
  std::shared_ptr<TraceFiles> files_;
  std::unique_ptr<Timer> end_;
  std::optional<Error> unreached_; ///< The dial's error.
  bool answered_ = false;
  bool finishing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< What is called later looks here first.
};

} // namespace kith::control
