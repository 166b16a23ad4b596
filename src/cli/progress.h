// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace penstock::cli {

// Progress on stderr: a bar on a terminal, a plain line a phase elsewhere.
class Progress {
 public:
  explicit Progress(std::string title, bool quiet = false);
  ~Progress();
  void update(std::string_view what, double fraction);

 private:
  std::string title_;
  bool terminal_;
  bool quiet_;
  bool drawn_ = false;
  std::string last_;
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point shown_;
};

// From now on SIGINT and SIGTERM only set a flag, so that work can end in good order; a second one
// kills.
void catch_interrupts();
bool interrupted();

}  // namespace penstock::cli
