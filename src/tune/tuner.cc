// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/tuner.h"

#include <algorithm>
#include <cmath>

#include "ir/late.h"
#include "ops/cost.h"
#include "ops/onednn_offer.h"
#include "ops/op_definition.h"

namespace penstock::tune {
namespace {

using backends::Form;
using backends::NodeFacts;
using backends::Offer;
using backends::Tactic;
using ir::Layout;

bool is_plain(const Form& form) {
  const auto plain = [](Layout layout) { return layout == Layout::kPlain; };
  return std::all_of(form.inputs.begin(), form.inputs.end(), plain) &&
         std::all_of(form.outputs.begin(), form.outputs.end(), plain);
}

}  // namespace

bool is_view(const ir::Node& node) {
  const ops::OpDefinition* definition = ops::find_op(node.op);
  return definition != nullptr && definition->is_view && node.inputs.size() == 1;
}

namespace {

bool is_reference(const Tactic& tactic) { return tactic.name().substr(0, 10) == "reference."; }

// Microseconds on a processor that nobody measured: for choices between kernels of one node.
double estimate(const NodeFacts& facts) {
  constexpr double kOperations = 1e5, kBytes = 1e4;  // a microsecond
  const ops::Cost cost = ops::cost_of(facts);
  const bool is_narrow = !facts.inputs.empty() && size_of(facts.inputs[0].dtype) < sizeof(float);
  return cost.operations / (is_narrow ? 2 * kOperations : kOperations) + cost.bytes / kBytes;
}

}  // namespace

Tuner::Tuner(backends::Backend& backend, backends::Backend& host, TimingCache& cache,
             TuneOptions options)
    : backend_(backend), host_(host), cache_(cache), options_(std::move(options)) {}

const Tactic* Tuner::copier(bool on_device) const {
  for (const backends::TacticSource* source : (on_device ? backend_ : host_).tactic_sources()) {
    const std::vector<const Tactic*> tactics = source->tactics_for("Copy");
    if (!tactics.empty()) return tactics.back();
  }
  return nullptr;
}

Status Tuner::add(const ir::Region& region, bool nested) {
  PENSTOCK_RETURN_IF_ERROR(open_streams());
  size_t done = 0;
  for (const ir::Node& node : region.nodes) {
    if (options_.cancelled && options_.cancelled()) {
      return {StatusCode::kCancelled, "the build was interrupted"};
    }
    PENSTOCK_RETURN_IF_ERROR(add_node(node, nested));
    for (const auto& body : node.regions) PENSTOCK_RETURN_IF_ERROR(add(*body, true));
    ++done;
    if (!nested && options_.progress) {
      options_.progress(static_cast<double>(done) / static_cast<double>(region.nodes.size()));
    }
  }
  return Status::ok();
}

Status Tuner::open_streams() {
  while (static_cast<int>(streams_.size()) < options_.concurrent_contexts) {
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Stream> stream,
                              backend_.create_stream(options_.threads));
    streams_.push_back(std::move(stream));
  }
  if (!is_mixed() || !host_streams_.empty()) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Stream> stream,
                            host_.create_stream(options_.threads));
  host_streams_.push_back(std::move(stream));
  return Status::ok();
}

bool Tuner::is_used(const backends::TacticSource& source) const {
  const auto& names = options_.sources;
  return names.empty() || source.name() == "reference" ||
         std::find(names.begin(), names.end(), source.name()) != names.end();
}

Status Tuner::add_node(const ir::Node& node, bool nested) {
  NodeCandidates candidates;
  candidates.node = &node;
  const NodeFacts facts = make_facts(node, options_.symbols, options_.threads);
  // Shapes that depend on data cannot be timed before the run, nor laid out across it.
  const bool plain = holds_plain_data(node);
  const bool fixed = !nested && plain && !depends_on_data(node) && node.regions.empty();
  const bool late = is_late(node, nested);
  if (is_view(node)) {
    // No kernel runs: the output is the input's memory.
    candidates.all.push_back(
        {host_.find_tactic("reference." + node.op), Offer::plain(facts).forms[0], 0, false, ""});
    candidates.usable.push_back(0);
    nodes_.push_back(std::move(candidates));
    return Status::ok();
  }
  // What depends on data, and bodies, run on the host, which sees the data.
  candidates.on_device = is_mixed() && fixed && !late;
  if (candidates.on_device) consider_all(backend_, node, facts, fixed, candidates);
  PENSTOCK_RETURN_IF_ERROR(device_status_.with_context("node '" + node.name + "'"));
  if (candidates.usable.empty()) {
    candidates.on_device = false;
    consider_all(host_, node, facts, fixed, candidates);
    if (is_mixed() && options_.log && !candidates.usable.empty()) {
      options_.log("  " + node.op + " '" + node.name + "' runs on the host");
    }
  }
  if (candidates.usable.empty()) {
    std::string reasons;
    for (const Candidate& candidate : candidates.all) {
      reasons += "\n  " + std::string(candidate.tactic->name()) + ": " + candidate.reason;
    }
    return {StatusCode::kUnsupported,
            "node '" + node.name + "' (" + node.op + "): no tactic runs it" + reasons};
  }
  if (options_.log) log(candidates);
  nodes_.push_back(std::move(candidates));
  return Status::ok();
}

// Late nodes taint what reads their outputs.
bool Tuner::is_late(const ir::Node& node, bool nested) {
  const bool reads_late = std::any_of(
      node.inputs.begin(), node.inputs.end(),
      [&](const ir::Value* input) { return input != nullptr && late_values_.count(input) != 0; });
  const bool late = ir::is_late(node.attributes, !node.regions.empty(), nested,
                                reads_late || depends_on_data(node));
  if (late) late_values_.insert(node.outputs.begin(), node.outputs.end());
  return late;
}

void Tuner::consider_all(backends::Backend& backend, const ir::Node& node, const NodeFacts& facts,
                         bool fixed, NodeCandidates& candidates) {
  for (const backends::TacticSource* source : backend.tactic_sources()) {
    // Strings, sequences and optionals: there is nothing random to measure with, and only reference
    // kernels know how they lie.
    if (!is_used(*source) || (!holds_plain_data(node) && source->name() != "reference")) continue;
    for (const Tactic* tactic : source->tactics_for(node.op)) {
      consider(*tactic, facts, fixed, &backend == &host_, candidates);
    }
  }
}

std::optional<double> Tuner::fastest(const ir::Node& node, const NodeFacts& facts) {
  if (!open_streams().is_ok()) return std::nullopt;
  NodeCandidates candidates;
  candidates.node = &node;
  for (const backends::TacticSource* source : backend_.tactic_sources()) {
    if (!is_used(*source) || source->name() == "reference") continue;
    for (const Tactic* tactic : source->tactics_for(node.op)) {
      consider(*tactic, facts, true, &backend_ == &host_, candidates);
    }
  }
  if (candidates.usable.empty()) return std::nullopt;
  if (options_.level == 0) return estimate(facts);
  double least = candidates.all[candidates.usable[0]].microseconds;
  for (size_t i : candidates.usable) least = std::min(least, candidates.all[i].microseconds);
  return least;
}

void Tuner::log(const NodeCandidates& candidates) const {
  const auto faster = [&](size_t a, size_t b) {
    return candidates.all[a].microseconds < candidates.all[b].microseconds;
  };
  const Candidate& best =
      candidates.all[*std::min_element(candidates.usable.begin(), candidates.usable.end(), faster)];
  std::string line = "  " + candidates.node->op + " '" + candidates.node->name +
                     "': " + std::string(best.tactic->name());
  if (!best.form.config.empty()) line += " (" + best.form.config + ")";
  if (best.measured) line += ", " + std::to_string(std::lround(best.microseconds)) + " us";
  options_.log(line + ", best of " + std::to_string(candidates.usable.size()) + " usable and " +
               std::to_string(candidates.all.size() - candidates.usable.size()) + " refused");
}

void Tuner::consider(const Tactic& tactic, const NodeFacts& facts, bool timed, bool on_host,
                     NodeCandidates& candidates) {
  Offer offer = tactic.offer(facts);
  if (offer.forms.empty()) {
    candidates.all.push_back({&tactic, {}, 0, false, offer.refusal});
    return;
  }
  for (Form& form : offer.forms) {
    Candidate candidate{&tactic, std::move(form), 0, false, ""};
    const bool have_other = !candidates.usable.empty();
    if (!timed && !is_plain(candidate.form)) {
      candidate.reason = "shapes depend on data: row-major only";
    } else if (timed && candidate.form.config == ops::kForDataDependentShapes) {
      candidate.reason = "row-major, for shapes that depend on data";
    } else if (on_host && is_mixed() && !is_plain(candidate.form)) {
      candidate.reason = "on the host between copies: row-major only";
    } else if (is_reference(tactic) && have_other && options_.level < 5) {
      candidate.reason = "reference kernel, not timed where another runs (--opt-level 5 does)";
    } else if (options_.level == 0 && have_other) {
      candidate.reason = "not timed at --opt-level 0";
    } else if (timed && (options_.level > 0 || (is_mixed() && !on_host))) {
      // On a device even the first is run once: an engine of a library may turn out not to be one.
      NodeFacts formed = facts;
      apply_form(candidate.form, formed);
      time(candidate, formed, on_host);
    } else {
      candidate.microseconds =
          static_cast<double>(candidates.usable.size());  // order of preference
    }
    if (candidate.reason.empty()) candidates.usable.push_back(candidates.all.size());
    candidates.all.push_back(std::move(candidate));
  }
}

void Tuner::time(Candidate& candidate, const NodeFacts& facts, bool on_host) {
  backends::Backend& backend = on_host ? host_ : backend_;
  const Streams& streams = on_host && is_mixed() ? host_streams_ : streams_;
  std::string key = backend.fingerprint() + "|" + std::string(candidate.tactic->name()) + "|" +
                    facts.config + "|" + signature(facts);
  if (streams.size() > 1) key += " beside " + std::to_string(streams.size() - 1);
  if (options_.level == 0) {
    const Result<double> once =
        measure(backend, *candidate.tactic, facts, streams, {.target_ms = 0, .most_runs = 1});
    if (!once.is_ok()) candidate.reason = once.status().message();
    return;
  }
  candidate.measured = true;
  if (const std::optional<double> known = cache_.find(key)) {
    candidate.microseconds = *known;
    ++counts_.cached;
    if (*known < 0) candidate.reason = "failed when it was measured";
    return;
  }
  MeasureOptions options;
  options.workspace_bytes = options_.workspace_bytes;
  if (options_.level <= 2) options.target_ms = 2;
  const Result<double> microseconds = measure(backend, *candidate.tactic, facts, streams, options);
  ++counts_.measured;
  if (microseconds.is_ok()) {
    candidate.microseconds = *microseconds;
    cache_.insert(key, *microseconds);
  } else {
    candidate.reason = microseconds.status().message();
    // Whatever was refused from here on would run on the CPU.
    if (microseconds.status().code() == StatusCode::kDeviceLost) {
      device_status_ = microseconds.status();
    }
  }
}

Result<Candidate> Tuner::reorder(const ir::Value& value, Layout from, Layout to) {
  ir::Node node;
  node.op = "Reorder";
  node.name = value.name;
  node.attributes.set("layout", std::string(ir::to_string(to)));
  auto* operand = const_cast<ir::Value*>(&value);
  node.inputs = {operand};
  node.outputs = {operand};
  NodeFacts facts = make_facts(node, options_.symbols, options_.threads);
  facts.inputs[0].layout = from;
  facts.outputs[0].layout = to;
  facts.inputs[0].data = nullptr;
  const std::string key = signature(facts);
  if (auto it = reorders_.find(key); it != reorders_.end()) return it->second;
  Candidate best;
  for (const backends::TacticSource* source : backend_.tactic_sources()) {
    if (!is_used(*source)) continue;
    for (const Tactic* tactic : source->tactics_for(node.op)) {
      if (is_reference(*tactic) && best.tactic != nullptr) continue;
      const Offer offer = tactic->offer(facts);
      if (offer.forms.empty()) continue;
      Candidate candidate{tactic, {{from}, {to}, offer.forms.front().config}, 0, false, ""};
      facts.config = candidate.form.config;
      if (options_.level > 0) time(candidate, facts);
      if (!candidate.reason.empty()) continue;
      if (best.tactic == nullptr || candidate.microseconds < best.microseconds) {
        best = std::move(candidate);
      }
    }
  }
  if (best.tactic == nullptr) {
    return Status(StatusCode::kUnsupported, "nothing turns '" + value.name + "' from " +
                                                std::string(ir::to_string(from)) + " into " +
                                                std::string(ir::to_string(to)));
  }
  reorders_.emplace(key, best);
  return best;
}

}  // namespace penstock::tune
