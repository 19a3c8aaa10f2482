// SPDX-License-Identifier: Apache-2.0
#include "doctor.hpp"

#include "commands.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>
#include <utility>

namespace kith::cli {
namespace {

std::string_view word(Health state) {
  switch (state) {
    case Health::ok: return "ok";
    case Health::warn: return "warn";
    case Health::bad: break;
  }
  return "bad";
}

void show(Context& context, const Checkup& checkup) {
  Table table({"WHAT", "STATE", "FOUND"});
  for (const auto& check : checkup.checks()) table.add({check.what, std::string(word(check.state)), check.found});
  context.io.out << table.text(context.io.out_terminal);
  bool first = true;
  for (const auto& check : checkup.checks()) { // in full, whatever the terminal's width: commands are copied from here
    if (check.advice.empty()) continue;
    if (std::exchange(first, false)) context.io.out << '\n';
    const std::string state(word(check.state));
    context.io.out << (check.state == Health::bad ? context.io.out_terminal.red(state) : state) << "  " << printable(check.what + ": " + check.found)
                   << "\n      " << printable(check.advice) << '\n';
  }
  context.io.out << '\n'
                 << checkup.count(Health::ok) << " ok, " << checkup.count(Health::warn) << " to look at, " << checkup.count(Health::bad) << " bad\n";
}

void show_json(Context& context, const Checkup& checkup) {
  std::string rows;
  for (const auto& check : checkup.checks()) {
    client::ObjectWriter row;
    row.text("what", check.what).text("state", word(check.state)).text("found", check.found).text("advice", check.advice);
    rows += (rows.empty() ? "" : ",") + row.finish();
  }
  client::ObjectWriter out;
  out.raw("checks", "[" + rows + "]").number("warn", checkup.count(Health::warn)).number("bad", checkup.count(Health::bad));
  context.io.out << out.finish() << '\n';
}

} // namespace

std::size_t Checkup::count(Health state) const noexcept {
  return static_cast<std::size_t>(std::count_if(checks_.begin(), checks_.end(), [&](const Check& check) { return check.state == state; }));
}

bool Checkup::has(std::string_view what) const noexcept {
  return std::any_of(checks_.begin(), checks_.end(), [&](const Check& check) { return check.what == what; });
}

int doctor(Context& context) {
  Checkup checkup;
  check_files(checkup, context.home);
  check_system(checkup, context.home);
  auto daemon = context.daemon();
  if (!daemon) {
    check_absence(checkup, daemon.error(), context.home);
    if (const auto port = remembered_port(context.home); port != 0) checkup.ok("port", "remembered: " + std::to_string(port));
  } else {
    try {
      if (const auto done = check_daemon(checkup, **daemon, context.home); !done) check_absence(checkup, done.error(), context.home);
    } catch (const std::exception& error) { // a member that this version expects is not there
      checkup.bad("daemon", std::string("its answers can't be read: ") + error.what(), "restart it: kith stop, kith daemon --detach");
    }
  }
  if (context.options.json) {
    show_json(context, checkup);
  } else {
    show(context, checkup);
  }
  return checkup.count(Health::bad) > 0 ? 1 : 0;
}

} // namespace kith::cli
