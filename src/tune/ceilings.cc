// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/ceilings.h"

#include <algorithm>

#include "ops/cost.h"
#include "tune/measure.h"
#include "tune/node_facts.h"

namespace penstock::tune {
namespace {

using backends::NodeFacts;
using backends::Operand;

// Elements that are copied: 256 MiB, several times the caches of a GPU, and 64 MiB.
constexpr int64_t kDeviceCopied = int64_t{1} << 26;
constexpr int64_t kHostCopied = int64_t{1} << 24;
constexpr double kMeasuredMs = 100;  // of each candidate

// Rows of the products that are tried. On a processor that others use too, only short ones end
// before it is taken away; float32 without tensor cores is ten times slower than float16.
std::vector<int64_t> row_counts(bool is_host, const std::string& precision) {
  if (is_host) return {384, 768, 1536};
  return {precision == "float32" ? int64_t{4096} : int64_t{8192}};
}

Operand tensor(DataType dtype, Shape shape) {
  Operand operand;
  operand.present = true;
  operand.dtype = dtype;
  operand.shape = std::move(shape);
  return operand;
}

NodeFacts copy(const char* op, int64_t elements, int threads) {
  NodeFacts facts;
  facts.op = op;
  facts.name = "copy";
  facts.threads = threads;
  facts.inputs = {tensor(DataType::kFloat32, {elements / 4096, 4096})};
  facts.outputs = facts.inputs;
  if (facts.op == "Pointwise") facts.attributes.set("program", std::string("relu(i0)"));
  return facts;
}

// A square product; `weights` are b's elements.
NodeFacts product(const std::string& precision, int64_t rows, int threads,
                  ir::ConstantRef& weights) {
  const bool is_integer = precision == "int8";
  const DataType dtype = precision == "float16"    ? DataType::kFloat16
                         : precision == "bfloat16" ? DataType::kBFloat16
                         : is_integer              ? DataType::kInt8
                                                   : DataType::kFloat32;
  NodeFacts facts;
  facts.op = is_integer ? "QuantizedMatMul" : "MatMul";
  facts.name = "product of " + precision;
  facts.threads = threads;
  facts.inputs = {tensor(dtype, {rows, rows}), tensor(dtype, {rows, rows})};
  facts.outputs = {tensor(is_integer ? DataType::kFloat32 : dtype, {rows, rows})};
  if (is_integer) {
    static constexpr float kScale = 1e-4f;
    facts.attributes.set("output_dtype", static_cast<int64_t>(DataType::kFloat32));
    facts.inputs.emplace_back();  // no bias
    facts.inputs.push_back(tensor(DataType::kFloat32, {}));
    facts.inputs.back().data = &kScale;
    facts.inputs.back().bytes = sizeof(kScale);
  }
  if (precision == "tf32") facts.attributes.set("tf32", int64_t{1});
  weights = random_data(facts.inputs[1]);
  facts.inputs[1].data = weights->data;
  facts.inputs[1].bytes = weights->bytes;
  return facts;
}

// The least time of all tactics but the reference; 0 where none takes the node.
Result<double> best_microseconds(backends::Backend& backend, const NodeFacts& node,
                                 const Streams& streams) {
  double best = 0;
  for (const backends::TacticSource* source : backend.tactic_sources()) {
    if (source->name() == "reference" && node.op != "Copy") continue;
    for (const backends::Tactic* tactic : source->tactics_for(node.op)) {
      for (const backends::Form& form : tactic->offer(node).forms) {
        NodeFacts facts = node;
        apply_form(form, facts);
        MeasureOptions options;
        options.target_ms = kMeasuredMs;
        const Result<double> time = measure(backend, *tactic, facts, streams, options);
        if (time.status().code() == StatusCode::kDeviceLost) return time;
        if (time.is_ok() && (best == 0 || *time < best)) best = *time;
      }
    }
  }
  return best;
}

}  // namespace

Result<Ceilings> measure_ceilings(backends::Backend& backend, int threads,
                                  const std::vector<std::string>& precisions) {
  Streams streams(1);
  PENSTOCK_ASSIGN_OR_RETURN(streams[0], backend.create_stream(threads));
  Ceilings ceilings;
  for (const char* op : {"Copy", "Pointwise"}) {
    const NodeFacts node =
        copy(op, backend.is_host_memory() ? kHostCopied : kDeviceCopied, threads);
    PENSTOCK_ASSIGN_OR_RETURN(const double time, best_microseconds(backend, node, streams));
    if (time == 0) continue;
    ceilings.bytes_per_second =
        std::max(ceilings.bytes_per_second, ops::cost_of(node).bytes / time * 1e6);
  }
  for (const std::string& precision : precisions) {
    double best = 0;
    for (int64_t rows : row_counts(backend.is_host_memory(), precision)) {
      ir::ConstantRef weights;
      const NodeFacts node = product(precision, rows, threads, weights);
      PENSTOCK_ASSIGN_OR_RETURN(const double time, best_microseconds(backend, node, streams));
      if (time > 0) best = std::max(best, ops::cost_of(node).operations / time * 1e6);
    }
    if (best > 0) ceilings.operations_per_second[precision] = best;
  }
  return ceilings;
}

}  // namespace penstock::tune
