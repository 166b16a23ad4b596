// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backends/backend.h"
#include "ir/graph.h"
#include "tune/measure.h"
#include "tune/node_facts.h"
#include "tune/timing_cache.h"

namespace penstock::tune {

// A tactic in one of its forms, with its time or the reason why it was not taken.
struct Candidate {
  const backends::Tactic* tactic = nullptr;
  backends::Form form;
  double microseconds = 0;
  bool measured = false;
  std::string reason;  // why it cannot be chosen; empty where it can
};

// Everything known of one node's ways to run.
struct NodeCandidates {
  const ir::Node* node = nullptr;
  std::vector<Candidate> all;  // refused ones included, for the report
  std::vector<size_t> usable;  // indices into all
  // Runs on the device of the build, where that is not the host.
  bool on_device = false;
};

// True for a node that only gives its input another shape, which costs nothing.
bool is_view(const ir::Node& node);

struct TuneOptions {
  int threads = 1;
  int concurrent_contexts = 1;  // copies of a kernel that run at the same time when it is timed
  int level = 3;
  std::vector<std::string> sources;  // names of the tactic sources to use; empty: all
  uint64_t workspace_bytes = 0;
  SymbolValues symbols;
  std::function<void(double fraction)> progress;
  std::function<bool()> cancelled;
  std::function<void(const std::string& line)> log;  // a line for each node
};

struct TuneCounts {
  int measured = 0;
  int cached = 0;
};

// Times every usable tactic of every node; equal nodes are timed once.
class Tuner {
 public:
  // For `backend`; nodes that it has no tactic for run on `host`, which may be the same.
  Tuner(backends::Backend& backend, backends::Backend& host, TimingCache& cache,
        TuneOptions options);

  Status add(const ir::Region& region, bool nested);
  // Candidates in the order nodes were added.
  const std::vector<NodeCandidates>& nodes() const { return nodes_; }
  const TuneCounts& counts() const { return counts_; }
  // True where nodes may run on two devices.
  bool is_mixed() const { return &backend_ != &host_; }
  // What copies tensors on the device, or the host.
  const backends::Tactic* copier(bool on_device) const;
  // The time of the fastest tactic of the device for these facts, in any of its forms; nothing
  // where only a reference kernel runs them. At level 0 an estimate.
  std::optional<double> fastest(const ir::Node& node, const backends::NodeFacts& facts);
  const TuneOptions& options() const { return options_; }
  // The best way to turn `value` from one layout into another: its time and tactic.
  Result<Candidate> reorder(const ir::Value& value, ir::Layout from, ir::Layout to);

 private:
  bool is_used(const backends::TacticSource& source) const;
  bool is_late(const ir::Node& node, bool nested);
  Status add_node(const ir::Node& node, bool nested);
  void consider_all(backends::Backend& backend, const ir::Node& node,
                    const backends::NodeFacts& facts, bool fixed, NodeCandidates& candidates);
  void consider(const backends::Tactic& tactic, const backends::NodeFacts& facts, bool timed,
                bool on_host, NodeCandidates& candidates);
  void log(const NodeCandidates& candidates) const;
  void time(Candidate& candidate, const backends::NodeFacts& facts, bool on_host = false);
  Status open_streams();

  backends::Backend& backend_;
  backends::Backend& host_;
  TimingCache& cache_;
  TuneOptions options_;
  Streams streams_;       // one for each concurrent context
  Streams host_streams_;  // empty where the host is the device
  Status device_status_;  // an error that ends the build, where the device was lost
  std::vector<NodeCandidates> nodes_;
  std::unordered_set<const ir::Value*> late_values_;
  std::map<std::string, Candidate> reorders_;
  TuneCounts counts_;
};

}  // namespace penstock::tune
