// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Result<int64_t> sequence_axis(const ir::Attributes& attributes, int64_t rank) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(attributes.get_int("axis", -2), rank));
  if (axis > 0) return axis;
  return Status(StatusCode::kInvalidModel, "axis 0 is the batch, not the sequence");
}

// A cache [batch, ..., places, ...], an update [batch, ..., tokens, ...], the place of the first
// token of each batch item.
Status infer_tensor_scatter(InferContext& c) {
  Result<int64_t> axis = sequence_axis(c.attributes(), c.rank(0));
  if (!axis.is_ok()) return c.error(axis.status().message());
  if (c.rank(1) != c.rank(0) || c.dtype(1) != c.dtype(0)) {
    return c.error("the update must have the cache's type and rank");
  }
  const std::string mode = c.attributes().get_string("mode", "linear");
  if (mode != "linear" && mode != "circular") return c.error("no mode '" + mode + "'");
  c.set_output(0, c.dtype(0), c.shape(0));
  return Status::ok();
}

// Where the update's tokens go in one batch item; an error where one falls outside.
Result<int64_t> place_of(int64_t first, int64_t token, int64_t places, bool is_circular) {
  if (is_circular) return ((first % places + places) % places + token % places) % places;
  if (first >= 0 && first <= places - 1 - token) return first + token;
  return Status(StatusCode::kInvalidArgument,
                "TensorScatter: a token goes to place " + std::to_string(first) + " + " +
                    std::to_string(token) + ", but the cache has " + std::to_string(places));
}

Status run_tensor_scatter(const NodeFacts& node, KernelRun& run) {
  const TensorView& cache = run.input(0);
  const TensorView& update = run.input(1);
  const auto rank = static_cast<int64_t>(cache.shape->size());
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, sequence_axis(node.attributes, rank));
  const int64_t places = (*cache.shape)[axis];
  const int64_t tokens = (*update.shape)[axis];
  Shape expected = *cache.shape;
  expected[axis] = tokens;
  const int64_t batch = expected[0];
  std::vector<int64_t> first(static_cast<size_t>(batch), 0);
  if (run.has_input(2)) first = read_int64s(run.input(2));
  if (*update.shape != expected || tokens > places || static_cast<int64_t>(first.size()) != batch) {
    return {StatusCode::kInvalidArgument,
            "TensorScatter: an update of shape " + to_string(*update.shape) + " and " +
                std::to_string(first.size()) + " indices do not fit a cache of shape " +
                to_string(*cache.shape)};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *cache.shape));
  const size_t element = size_of(cache.dtype);
  if (cache.count() == 0) return Status::ok();
  if (y.data != cache.data) {
    std::memcpy(y.data, cache.data, static_cast<size_t>(cache.count()) * element);
  }
  const bool is_circular = node.attributes.get_string("mode", "linear") == "circular";
  const int64_t outer = element_count(Shape(expected.begin() + 1, expected.begin() + axis));
  const int64_t inner = element_count(Shape(expected.begin() + axis + 1, expected.end()));
  const size_t bytes = static_cast<size_t>(inner) * element;
  for (int64_t row = 0; row < batch * outer; ++row) {
    for (int64_t token = 0; token < tokens; ++token) {
      PENSTOCK_ASSIGN_OR_RETURN(
          const int64_t place,
          place_of(first[static_cast<size_t>(row / outer)], token, places, is_circular));
      std::memcpy(y.as<char>() + static_cast<size_t>(row * places + place) * bytes,
                  update.as<const char>() + static_cast<size_t>(row * tokens + token) * bytes,
                  bytes);
    }
  }
  return Status::ok();
}

}  // namespace

const OpDefinition& tensor_scatter_op() {
  static const OpDefinition kOp = {.name = "TensorScatter",
                                   .min_inputs = 2,
                                   .max_inputs = 3,
                                   .infer = infer_tensor_scatter,
                                   .reference = run_tensor_scatter,
                                   .in_place = true};
  return kOp;
}

}  // namespace penstock::ops
