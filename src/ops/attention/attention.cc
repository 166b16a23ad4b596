// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/real_values.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

struct Parameters {
  bool packed_heads;  // layout "bshd"
  int64_t heads;
  int64_t head_size;
  int64_t value_size;
};

Result<Parameters> parameters_of(const ir::Attributes& attributes) {
  const std::string layout = attributes.get_string("layout", "bhsd");
  Parameters p;
  p.packed_heads = layout == "bshd";
  p.heads = attributes.get_int("heads");
  p.head_size = attributes.get_int("head_size");
  p.value_size = attributes.get_int("value_size", p.head_size);
  if ((layout != "bshd" && layout != "bhsd") || p.heads < 1 || p.head_size < 1 ||
      p.value_size < 1) {
    return Status(StatusCode::kInvalidModel,
                  "needs layout bshd or bhsd and positive heads, head_size and value_size");
  }
  return p;
}

Status infer_attention(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const Parameters p, parameters_of(context.attributes()));
  const int64_t rank = p.packed_heads ? 3 : 4;
  for (size_t i = 0; i < 3; ++i) {
    if (context.rank(i) != rank) {
      return context.error("input " + std::to_string(i) + " has shape " +
                           ir::to_string(context.shape(i)) + ", must have rank " +
                           std::to_string(rank));
    }
    if (!is_floating(context.dtype(i)) || context.dtype(i) != context.dtype(0)) {
      return context.error("q, k and v must be of one floating-point type");
    }
  }
  if (context.has_input(3) && context.rank(3) > 4) return context.error("the mask has rank 5");
  const ir::SymbolicShape& q = context.shape(0);
  if (p.packed_heads) {
    context.set_output(0, context.dtype(0), {q[0], q[1], p.heads * p.value_size});
  } else {
    context.set_output(0, context.dtype(0), {q[0], q[1], q[2], p.value_size});
  }
  return Status::ok();
}

// Where the heads of an operand of that shape lie; an error where they do not fit in.
Result<AttentionShape::Rows> rows_of(const Parameters& p, const Shape& shape, int64_t offset,
                                     int64_t size) {
  const std::string text = to_string(shape);
  if (p.packed_heads) {
    if (shape.size() != 3 || offset < 0 || offset + p.heads * size > shape[2]) {
      return Status(StatusCode::kInvalidArgument,
                    "Attention: an operand of shape " + text + " has no " +
                        std::to_string(p.heads) + " heads of " + std::to_string(size) +
                        " columns from column " + std::to_string(offset));
    }
    return AttentionShape::Rows{offset, shape[1] * shape[2], size, shape[2]};
  }
  if (shape.size() != 4 || shape[1] != p.heads || shape[3] != size) {
    return Status(StatusCode::kInvalidArgument, "Attention: an operand has shape " + text +
                                                    ", must have " + std::to_string(p.heads) +
                                                    " heads of rows of " + std::to_string(size));
  }
  return AttentionShape::Rows{0, shape[1] * shape[2] * size, shape[2] * size, size};
}

Status set_mask(AttentionShape& shape, const Shape& mask) {
  shape.mask_batches = mask.size() == 4 ? mask[0] : 1;
  const Shape scores = {shape.mask_batches, shape.heads, shape.queries, shape.keys};
  const Result<Shape> broadcast = broadcast_shapes(mask, scores);
  const bool repeats = shape.mask_batches > 0 && shape.batch % shape.mask_batches == 0;
  if (!broadcast.is_ok() || *broadcast != scores || !(repeats || shape.batch == 0)) {
    return {StatusCode::kInvalidArgument,
            "Attention: the mask has shape " + to_string(mask) + ", the scores have " +
                to_string(Shape{shape.batch, shape.heads, shape.queries, shape.keys})};
  }
  const std::vector<int64_t> strides = broadcast_strides(mask, scores);
  std::copy(strides.begin(), strides.end(), shape.mask.begin());
  shape.mask_batches = std::max<int64_t>(shape.mask_batches, 1);
  return Status::ok();
}

}  // namespace

Result<AttentionShape> attention_shape(const ir::Attributes& attributes, const Shape& q,
                                       const Shape& k, const Shape& v, const Shape* mask) {
  PENSTOCK_ASSIGN_OR_RETURN(const Parameters p, parameters_of(attributes));
  std::vector<int64_t> offsets = attributes.get_ints("offsets", {0, 0, 0});
  offsets.resize(3, 0);
  AttentionShape shape;
  PENSTOCK_ASSIGN_OR_RETURN(shape.q, rows_of(p, q, offsets[0], p.head_size));
  PENSTOCK_ASSIGN_OR_RETURN(shape.k, rows_of(p, k, offsets[1], p.head_size));
  PENSTOCK_ASSIGN_OR_RETURN(shape.v, rows_of(p, v, offsets[2], p.value_size));
  const size_t row_axis = p.packed_heads ? 1 : 2;
  shape.batch = q[0];
  shape.heads = p.heads;
  shape.queries = q[row_axis];
  shape.keys = k[row_axis];
  shape.head_size = p.head_size;
  shape.value_size = p.value_size;
  shape.scale = attributes.get_float(
      "scale", static_cast<float>(1.0 / std::sqrt(static_cast<double>(p.head_size))));
  shape.causal = attributes.get_int("causal") != 0;
  if (k[0] != shape.batch || v[0] != shape.batch || v[row_axis] != shape.keys) {
    return Status(StatusCode::kInvalidArgument, "Attention: q, k and v have shapes " +
                                                    to_string(q) + ", " + to_string(k) + " and " +
                                                    to_string(v));
  }
  shape.out_shape = p.packed_heads ? Shape{q[0], q[1], p.heads * p.value_size}
                                   : Shape{q[0], q[1], q[2], p.value_size};
  PENSTOCK_ASSIGN_OR_RETURN(shape.out, rows_of(p, shape.out_shape, 0, p.value_size));
  shape.nan_to_zero = attributes.get_int("nan_to_zero") != 0;
  if (mask != nullptr) PENSTOCK_RETURN_IF_ERROR(set_mask(shape, *mask));
  return shape;
}

namespace {

// Softmax over the scores of one query. Keys that are hidden have -inf; all of them hidden gives
// NaN, as the formula does.
void softmax(std::vector<double>& scores) {
  double most = -std::numeric_limits<double>::infinity();
  for (double s : scores) most = std::max(most, s);
  double sum = 0.0;
  for (double& s : scores) sum += s = std::exp(s - most);
  for (double& s : scores) s /= sum;
}

Status reference_attention(const NodeFacts& node, KernelRun& run) {
  const bool has_mask = run.has_input(3);
  PENSTOCK_ASSIGN_OR_RETURN(
      const AttentionShape shape,
      attention_shape(node.attributes, *run.input(0).shape, *run.input(1).shape,
                      *run.input(2).shape, has_mask ? run.input(3).shape : nullptr));
  const std::vector<double> q = read_reals(run.input(0));
  const std::vector<double> k = read_reals(run.input(1));
  const std::vector<double> v = read_reals(run.input(2));
  const std::vector<double> mask = has_mask ? read_reals(run.input(3)) : std::vector<double>();
  const bool keep_mask = has_mask && run.input(3).dtype == DataType::kBool;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape.out_shape));

  constexpr double kHidden = -std::numeric_limits<double>::infinity();
  std::vector<double> out(y.count(), 0.0);
  std::vector<double> scores(shape.keys);
  for_each_index({shape.batch, shape.heads, shape.queries}, [&](const std::vector<int64_t>& at) {
    const int64_t b = at[0], h = at[1], i = at[2];
    for (int64_t j = 0; j < shape.keys; ++j) {
      double score = 0.0;
      for (int64_t d = 0; d < shape.head_size; ++d) {
        score += q[shape.q.at(b, h, i) + d] * k[shape.k.at(b, h, j) + d];
      }
      score *= shape.scale;
      if (has_mask) {
        const double m = mask[shape.mask_at(b, h, i, j)];
        score = !keep_mask ? score + m : m != 0.0 ? score : kHidden;
      }
      scores[j] = shape.causal && j > i + shape.keys - shape.queries ? kHidden : score;
    }
    softmax(scores);
    if (shape.nan_to_zero) {
      for (double& s : scores) s = std::isnan(s) ? 0.0 : s;
    }
    for (int64_t j = 0; j < shape.keys; ++j) {
      for (int64_t d = 0; d < shape.value_size; ++d) {
        // A key of weight 0 is hidden: what it holds, even a NaN, does not count.
        if (scores[j] == 0.0) continue;
        out[shape.out.at(b, h, i) + d] += scores[j] * v[shape.v.at(b, h, j) + d];
      }
    }
  });
  return write_reals(out, y);
}

}  // namespace

const OpDefinition kAttention = {.name = "Attention",
                                 .min_inputs = 3,
                                 .max_inputs = 4,
                                 .infer = infer_attention,
                                 .reference = reference_attention};

}  // namespace penstock::ops
