// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/run_timer.h"

namespace penstock::runtime {

void RunTimer::mark(Mark mark, backends::Stream& stream) {
  if (mark == kBegin) {
    if (runs_.size() == kMostRuns) {
      spare_.push_back(std::move(runs_.front()));
      runs_.pop_front();
    }
    runs_.emplace_back();
    if (!spare_.empty()) {
      runs_.back() = std::move(spare_.back());
      spare_.pop_back();
    }
    runs_.back().on_device = stream.is_asynchronous();
    runs_.back().replayed = false;
    runs_.back().complete = false;
  }
  if (runs_.empty()) return;  // timing began in the middle of a run
  Run& run = runs_.back();
  if (run.on_device) {
    if (run.events[mark] == nullptr) run.events[mark] = backend_->create_event();
    (void)run.events[mark]->record(stream);  // an error comes with the time
  } else {
    run.times[mark] = std::chrono::steady_clock::now();
  }
  run.complete = mark == kCopiedOut;
}

void RunTimer::set_replayed(bool replayed) {
  if (!runs_.empty()) runs_.back().replayed = replayed;
}

Result<double> RunTimer::elapsed_ms(const Run& run, Mark from, Mark to) {
  if (run.on_device) return run.events[to]->elapsed_ms(*run.events[from]);
  return std::chrono::duration<double, std::milli>(run.times[to] - run.times[from]).count();
}

Result<std::vector<RunTimes>> RunTimer::take() {
  std::vector<RunTimes> all;
  for (Run& run : runs_) {
    if (run.complete) {
      RunTimes times;
      if (run.on_device) PENSTOCK_RETURN_IF_ERROR(run.events[kCopiedOut]->wait());
      PENSTOCK_ASSIGN_OR_RETURN(times.copy_in_ms, elapsed_ms(run, kBegin, kCopiedIn));
      PENSTOCK_ASSIGN_OR_RETURN(times.compute_ms, elapsed_ms(run, kCopiedIn, kComputed));
      PENSTOCK_ASSIGN_OR_RETURN(times.copy_out_ms, elapsed_ms(run, kComputed, kCopiedOut));
      times.replayed = run.replayed;
      all.push_back(times);
    }
    spare_.push_back(std::move(run));
  }
  runs_.clear();
  return all;
}

}  // namespace penstock::runtime
