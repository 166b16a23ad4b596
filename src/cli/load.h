// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "load/model.h"
#include "load/run.h"

namespace penstock::cli {

// What `penstock load` was asked for, as its view and its report tell it.
struct LoadDescription {
  std::string target;
  std::string what;  // "model resnet" or "GET /v2/health/ready"
  std::string format;
  std::vector<double> percentiles;
  uint64_t request_bytes = 0;  // of a request's body
};

// "closed loop, 16 in flight"
std::string loop_text(const load::RunSettings& settings);

void print_load_report(const LoadDescription& description, const load::RunSettings& settings,
                       const load::Snapshot& result);
std::string load_report_json(const LoadDescription& description, const load::RunSettings& settings,
                             const load::Snapshot& result);

// How the load goes, on stderr: a picture that changes on a terminal, a line a second elsewhere.
class LoadView {
 public:
  LoadView(const LoadDescription& description, const load::RunSettings& settings, bool quiet);
  ~LoadView();
  void update(const load::Snapshot& snapshot);

 private:
  void draw(const load::Snapshot& snapshot, const load::Distribution& recent, double seconds);

  const LoadDescription& description_;
  const load::RunSettings& settings_;
  bool quiet_;
  bool terminal_;
  int drawn_lines_ = 0;
  load::Snapshot last_;
  bool has_last_ = false;
  std::vector<double> rates_;  // of the last seconds
};

}  // namespace penstock::cli
