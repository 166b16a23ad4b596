// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/cpu/onednn/memory_format.h"
#include "ops/matmul/flat_matmul.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_quantized.h"
#include "ops/onednn_tactics.h"
#include "ops/onednn_weights.h"

namespace penstock::ops {
namespace {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::memory;
using ir::Layout;

// Form::config of the variant that multiplies by a constant matrix in oneDNN's packed form.
constexpr std::string_view kInnerProduct = "inner_product";

struct Problem : QuantizedProblem {
  FlatMatMul flat;
  bool is_inner_product = false;

  dnnl::inner_product_forward::primitive_desc inner_product(const memory::desc& weights) const {
    return {engine(), dnnl::prop_kind::forward_inference, src, weights, bias, dst, attributes()};
  }
  dnnl::matmul::primitive_desc matmul(const memory::desc& weights) const {
    return {engine(), src, weights, bias, dst, attributes()};
  }
};

Status check_operands(const NodeFacts& node, const Problem& problem) {
  const FlatMatMul& flat = problem.flat;
  PENSTOCK_RETURN_IF_ERROR(flat.check_primitive());
  if (flat.b_is_vector && element_count(node.inputs[kProductScale].shape) > 1) {
    return {StatusCode::kUnsupported, "a vector has no columns with scales of their own"};
  }
  if (!problem.in_floats && problem.is_inner_product &&
      (problem.x_zero_point != 0 || problem.w_zero_point != 0)) {
    return {StatusCode::kUnsupported, "inner products have no zero points"};
  }
  return problem.in_floats ? Status::ok() : check_exact_sums(node);
}

memory::desc row_major(const Shape& shape, memory::data_type type) {
  memory::dims strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return {shape, type, strides};
}

void describe_matrices(Problem& problem, memory::data_type x, memory::data_type w,
                       memory::data_type y) {
  const FlatMatMul& flat = problem.flat;
  const FlatMatMul::Matrices a = flat.a_matrices();
  const FlatMatMul::Matrices b = flat.b_matrices();
  problem.x = {a.shape, x, a.strides};
  problem.y = row_major(flat.result, y);
  problem.src = problem.in_floats ? row_major(a.shape, memory::data_type::f32) : problem.x;
  problem.dst = problem.in_floats ? row_major(flat.result, memory::data_type::f32) : problem.y;
  if (problem.is_inner_product) {
    problem.given_weights = {{flat.n, flat.k}, w, {flat.b_column, flat.b_row}};
  } else {
    problem.given_weights = {b.shape, w, b.strides};
  }
}

// The scale as the weights', in them, or as a step; the bias as the primitive's own where it has
// one element a column and nothing comes before it, else as a step.
Status add_scale_and_bias(const NodeFacts& node, Problem& problem) {
  const FlatMatMul& flat = problem.flat;
  const Operand& scale = node.inputs[kProductScale];
  const bool has_columns = element_count(scale.shape) > 1;
  PostOps& post_ops = problem.steps.post_ops;
  const bool is_in_weights =
      problem.in_floats && node.inputs[1].data != nullptr && scale.data != nullptr;
  if (is_in_weights) {
    const int64_t n = flat.b_column == 1 ? 1 : flat.b_column;
    problem.folded_weights = scaled_weights(node, [&](int64_t i) { return i / n % flat.n; });
  } else if (problem.in_floats) {
    const Shape shape = {has_columns ? flat.n : 1};
    post_ops.add_binary(
        dnnl::algorithm::binary_mul, kProductScale,
        row_major(with_leading_ones(shape, flat.result.size()), memory::data_type::f32));
  } else if (has_columns) {
    problem.weights_scale_mask =
        problem.is_inner_product ? 1 : 1 << (problem.given_weights.get_ndims() - 1);
  }
  if (!node.has_input(kProductBias)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, flat.operand_shape(node.inputs[kProductBias].shape));
  const bool is_row = shape.back() == flat.n && element_count(shape) == flat.n;
  if (is_row && post_ops.ops.len() == 0) {
    problem.bias = plain_desc(problem.is_inner_product ? Shape{flat.n} : shape);
  } else {
    post_ops.add_binary(dnnl::algorithm::binary_add, kProductBias,
                        row_major(shape, memory::data_type::f32));
  }
  return Status::ok();
}

Result<Problem> make_problem(const NodeFacts& node) {
  Problem problem;
  PENSTOCK_ASSIGN_OR_RETURN(problem.flat, flatten_matmul(node));
  problem.in_floats = node.config == kInFloats;
  problem.is_inner_product = node.config == kInnerProduct ||
                             (problem.in_floats && problem.flat.has_constant_weights(node) &&
                              node.inputs[kProductScale].data != nullptr);
  problem.x_zero_point = static_cast<int32_t>(node.attributes.get_int("x_zero_point"));
  problem.w_zero_point = static_cast<int32_t>(node.attributes.get_int("w_zero_point"));
  problem.w_is_unsigned = node.inputs[1].dtype == DataType::kUInt8;
  PENSTOCK_RETURN_IF_ERROR(check_operands(node, problem));
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type x, data_type_of(node.inputs[0].dtype));
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type w, data_type_of(node.inputs[1].dtype));
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type y, data_type_of(node.outputs[0].dtype));
  const Result<bool> described = guarded([&] {
    describe_matrices(problem, x, w, y);
    return true;
  });
  PENSTOCK_RETURN_IF_ERROR(described.status());
  PENSTOCK_RETURN_IF_ERROR(add_scale_and_bias(node, problem));
  const DescribeOperand describe_operand = [&](size_t input) -> Result<memory::desc> {
    const Operand& operand = node.inputs[input];
    PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, problem.flat.operand_shape(operand.shape));
    PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type type, data_type_of(operand.dtype));
    return row_major(shape, type);
  };
  PENSTOCK_RETURN_IF_ERROR(problem.steps.append(node, describe_operand));
  return problem;
}

class QuantizedMatMulTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.quantized_matmul"; }

  Offer offer(const NodeFacts& node) const override {
    const Result<FlatMatMul> flat = flatten_matmul(node);
    if (!flat.is_ok()) return Offer::refuse(flat.status().message());
    std::vector<std::string_view> configs = {""};
    if (flat->has_constant_weights(node)) configs.push_back(kInnerProduct);
    Offer offer = offer_each(node, configs);
    if (!offer.forms.empty()) return offer;
    Offer in_floats = offer_each(node, {kInFloats});
    if (in_floats.forms.empty()) in_floats.refusal = offer.refusal + in_floats.refusal;
    return in_floats;
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    if (node.inputs[1].data == nullptr || node.config == kInFloats ||
        node.inputs[1].dtype != DataType::kInt8) {
      return std::vector<PackedConstant>();
    }
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    return guarded(
        [&] { return pack_weights(node, problem.given_weights, wanted_weights(problem)); });
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    PENSTOCK_ASSIGN_OR_RETURN(const memory::desc given,
                              weights_as_given(node, problem.given_weights));
    return guarded([&]() -> std::unique_ptr<Kernel> {
      return problem.is_inner_product
                 ? make_kernel<dnnl::inner_product_forward>(
                       node, problem, given,
                       [&](const memory::desc& w) { return problem.inner_product(w); })
                 : make_kernel<dnnl::matmul>(node, problem, given, [&](const memory::desc& w) {
                     return problem.matmul(w);
                   });
    });
  }

 private:
  static Offer offer_each(const NodeFacts& node, const std::vector<std::string_view>& configs) {
    Offer offer;
    for (std::string_view config : configs) {
      Form form = form_with(node, Layout::kPlain, Layout::kPlain);
      form.config = config;
      // Each is judged alone: a product by oneDNN's own matrix multiplication is no detour here.
      Offer one = offer_fastest(node, {form}, [](const NodeFacts& in) -> Result<std::string> {
        PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(in));
        return guarded([&] { return implementation(problem, weights_to_ask(in, problem)); });
      });
      offer.refusal += one.refusal;
      for (const Form& accepted : one.forms) {
        if (accepted.config == config) offer.forms.push_back(accepted);
      }
    }
    if (!offer.forms.empty()) offer.refusal.clear();
    return offer;
  }
  static std::string implementation(const Problem& problem, const memory::desc& weights) {
    return problem.is_inner_product ? problem.inner_product(weights).impl_info_str()
                                    : problem.matmul(weights).impl_info_str();
  }
  // Constants may be packed, and what is converted may lie anyhow; other operands are read as they
  // lie.
  static memory::desc weights_to_ask(const NodeFacts& node, const Problem& problem) {
    const bool is_free =
        node.inputs[1].data != nullptr || problem.in_floats || problem.w_is_unsigned;
    return is_free ? problem.any_weights() : problem.given_weights;
  }
  static memory::desc wanted_weights(const Problem& problem) {
    return problem.is_inner_product ? problem.inner_product(problem.any_weights()).weights_desc()
                                    : problem.matmul(problem.any_weights()).weights_desc();
  }

  // With the weights as they were packed where these shapes take them so.
  template <typename Primitive, typename Create>
  static std::unique_ptr<Kernel> make_kernel(const NodeFacts& node, const Problem& problem,
                                             const memory::desc& given, Create&& create) {
    if (!node.inputs[1].format.empty()) {
      const auto packed = guarded([&] { return create(given); });
      if (packed.is_ok() && quality_of(packed->impl_info_str()) != Quality::kReference) {
        return quantized_kernel(node, problem, *packed, Primitive(*packed), given);
      }
    }
    const auto desc = create(weights_to_ask(node, problem));
    return quantized_kernel(node, problem, desc, Primitive(desc), given);
  }
};

}  // namespace

const Tactic& onednn_quantized_matmul() {
  static const QuantizedMatMulTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
