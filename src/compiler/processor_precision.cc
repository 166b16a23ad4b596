// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/processor_precision.h"

#include <algorithm>
#include <memory>

#include "compiler/precision_choice.h"
#include "passes/precision.h"

namespace penstock::compiler {
namespace {

std::string asked_for(DataType type) {
  return std::string(to_string(type)) + " was asked for, and this processor";
}

}  // namespace

Result<ProcessorPrecision> lower_for_processor(ir::Graph& graph, DataType asked,
                                               const backends::SixteenBitInstructions& has,
                                               backends::Backend& backend,
                                               const std::vector<tune::TuneOptions>& profiles,
                                               tune::TimingCache& cache) {
  ProcessorPrecision result;
  const auto use = backends::fastest_sixteen_bits(asked, has);
  if (!use) {
    result.warning = asked_for(asked) + " (" + backend.instruction_set() +
                     ") computes in float32 here: so does the plan";
    return result;
  }
  const std::string type(to_string(use->type));
  const std::string with = type + " (" + std::string(use->instruction_set) + ")";
  std::vector<std::unique_ptr<tune::Tuner>> tuners;
  std::vector<tune::Tuner*> pointers;
  for (const tune::TuneOptions& options : profiles) {
    tuners.push_back(std::make_unique<tune::Tuner>(backend, backend, cache, options));
    pointers.push_back(tuners.back().get());
  }
  const ChosenNodes chosen = choose_sixteen_bits(graph, use->type, pointers);
  if (!profiles.empty() && profiles[0].cancelled && profiles[0].cancelled()) {
    return Status(StatusCode::kCancelled, "the build was interrupted");
  }
  const size_t nodes = graph.main.nodes.size();
  PENSTOCK_RETURN_IF_ERROR(passes::lower_precision(
      graph, use->type, [&](const ir::Node& node) { return chosen.count(&node) != 0; }));
  result.log = "  precision: " + std::to_string(chosen.size()) + " of " + std::to_string(nodes) +
               " nodes in " + with;
  if (chosen.empty()) {
    result.warning =
        asked_for(asked) + " is faster in float32 than in " + with + " with this model";
  } else if (use->type != asked) {
    result.warning = asked_for(asked) + " is faster in " + with + ": so computes the plan";
  }
  return result;
}

std::string sixteen_bit_products(const ir::Graph& graph,
                                 const backends::SixteenBitInstructions& has) {
  for (const DataType type : {DataType::kFloat16, DataType::kBFloat16}) {
    const bool multiplies =
        std::any_of(graph.main.nodes.begin(), graph.main.nodes.end(), [&](const ir::Node& node) {
          const bool is_product =
              node.op == "Conv" || node.op == "ConvTranspose" || node.op == "MatMul";
          return is_product && node.inputs[0]->dtype == type;
        });
    const auto best = backends::instructions_for(type, has);
    if (multiplies && best) return std::string(*best);
  }
  return "";
}

}  // namespace penstock::compiler
