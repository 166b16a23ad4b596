// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

namespace penstock::cli {
namespace {

std::atomic<bool> g_interrupted{false};

void on_signal(int signal) {
  g_interrupted = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

Progress::Progress(std::string title, bool quiet)
    : title_(std::move(title)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      quiet_(quiet),
      begin_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
}

void Progress::update(std::string_view what, double fraction) {
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  if (!terminal_) {
    if (last_ != what) fmt::print(stderr, "[{:7.1f} s] {}: {}\n", seconds, title_, what);
    last_ = what;
    return;
  }
  if (drawn_ && last_ == what && now - shown_ < std::chrono::milliseconds(50)) return;
  last_ = what;
  shown_ = now;
  drawn_ = true;
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(fraction * kWidth);
  fmt::print(stderr, "\r\033[K{} [{}{}] {:3.0f} % {} ({:.1f} s)", title_, std::string(filled, '#'),
             std::string(kWidth - filled, '.'), fraction * 100, what, seconds);
  std::fflush(stderr);
}

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() { return g_interrupted; }

}  // namespace penstock::cli
