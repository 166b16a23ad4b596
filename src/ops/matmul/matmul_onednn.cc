// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/cpu/onednn/memory_format.h"
#include "backends/cpu/onednn/primitive_kernel.h"
#include "ops/matmul/flat_matmul.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_post_ops.h"
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

memory::desc strided(const FlatMatMul::Matrices& matrices, memory::data_type type) {
  return {matrices.shape, type, matrices.strides};
}

// A node as one primitive: either kind, with weights in whatever form it wants.
struct Problem {
  FlatMatMul flat;
  memory::desc src, bias, dst;
  memory::desc given_weights;  // b as the model has it
  PostOps post_ops;
  bool is_inner_product = false;

  dnnl::inner_product_forward::primitive_desc inner_product(const memory::desc& packed) const {
    return {engine(),
            dnnl::prop_kind::forward_inference,
            src,
            packed,
            bias,
            dst,
            post_ops.attributes()};
  }
  dnnl::matmul::primitive_desc matmul(const memory::desc& packed) const {
    return {engine(), src, packed, bias, dst, post_ops.attributes()};
  }
  memory::desc any_weights() const {
    return {given_weights.get_dims(), given_weights.get_data_type(), memory::format_tag::any};
  }
};

// The bias as the primitive's own where it has one element a column, else an addition.
Status add_bias(const NodeFacts& node, Problem& problem) {
  const FlatMatMul& flat = problem.flat;
  if (flat.alpha != 1.0f) {
    problem.post_ops.ops.append_eltwise(dnnl::algorithm::eltwise_linear, flat.alpha, 0.0f);
  }
  if (!node.has_input(2)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(Shape shape, flat.operand_shape(node.inputs[2].shape));
  const bool is_row = shape.back() == flat.n && element_count(shape) == flat.n;
  if (is_row && flat.alpha == 1.0f) {
    problem.bias = bias_desc(node.inputs[2], problem.is_inner_product ? Shape{flat.n} : shape);
  } else {
    problem.post_ops.add_binary(dnnl::algorithm::binary_add, 2, bias_desc(node.inputs[2], shape));
  }
  return Status::ok();
}

Result<Problem> make_problem(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type type, product_type(node));
  Problem problem;
  PENSTOCK_ASSIGN_OR_RETURN(problem.flat, flatten_matmul(node));
  const FlatMatMul& flat = problem.flat;
  problem.is_inner_product = node.config == kInnerProduct;
  PENSTOCK_RETURN_IF_ERROR(flat.check_primitive());
  const Result<memory::data_type> result = data_type_of(node.outputs[0].dtype);
  PENSTOCK_RETURN_IF_ERROR(result.status());
  const auto guard = guarded([&] {
    problem.src = strided(flat.a_matrices(), type);
    problem.dst = plain_desc(flat.result, *result);
    problem.given_weights = problem.is_inner_product
                                ? strided({{flat.n, flat.k}, {flat.b_column, flat.b_row}}, type)
                                : strided(flat.b_matrices(), type);
    return true;
  });
  PENSTOCK_RETURN_IF_ERROR(guard.status());
  PENSTOCK_RETURN_IF_ERROR(add_bias(node, problem));
  PENSTOCK_RETURN_IF_ERROR(append_epilogue(
      node,
      [&](size_t input) -> Result<memory::desc> {
        PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, flat.operand_shape(node.inputs[input].shape));
        return bias_desc(node.inputs[input], shape);
      },
      problem.post_ops));
  return problem;
}

std::string implementation(const Problem& problem, const memory::desc& weights) {
  return problem.is_inner_product ? problem.inner_product(weights).impl_info_str()
                                  : problem.matmul(weights).impl_info_str();
}

class MatMulTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.matmul"; }

  Offer offer(const NodeFacts& node) const override {
    std::vector<Form> forms = {form_with(node, Layout::kPlain, Layout::kPlain)};
    const Result<FlatMatMul> flat = flatten_matmul(node);
    if (!flat.is_ok()) return Offer::refuse(flat.status().message());
    if (flat->has_constant_weights(node)) {
      forms.push_back(forms[0]);
      forms.back().config = kInnerProduct;
    }
    // A product by oneDNN's own matrix multiplication is no detour here: each form is judged
    // alone.
    Offer offer;
    for (const Form& form : forms) {
      Offer one = offer_fastest(node, {form}, [](const NodeFacts& in) -> Result<std::string> {
        PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(in));
        return guarded([&] { return implementation(problem, weights_to_ask(in, problem)); });
      });
      offer.refusal += one.refusal;
      offer.forms.insert(offer.forms.end(), one.forms.begin(), one.forms.end());
    }
    if (!offer.forms.empty()) offer.refusal.clear();
    return offer;
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    if (node.inputs[1].data == nullptr) return std::vector<PackedConstant>();
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
  // Constants may be packed; other operands are read as they lie.
  static memory::desc weights_to_ask(const NodeFacts& node, const Problem& problem) {
    return node.inputs[1].data != nullptr ? problem.any_weights() : problem.given_weights;
  }
  static memory::desc wanted_weights(const Problem& problem) {
    return problem.is_inner_product ? problem.inner_product(problem.any_weights()).weights_desc()
                                    : problem.matmul(problem.any_weights()).weights_desc();
  }

  // With the weights as they were given where that is fast for these shapes too.
  template <typename Primitive, typename Create>
  static std::unique_ptr<Kernel> make_kernel(const NodeFacts& node, const Problem& problem,
                                             const memory::desc& given, Create&& create) {
    auto first = guarded([&] { return create(given); });
    const bool is_good =
        first.is_ok() && (quality_of(first->impl_info_str()) != Quality::kReference ||
                          node.inputs[1].data == nullptr);
    const auto desc = is_good ? *first : create(problem.any_weights());
    return weighted_kernel(node, desc, Primitive(desc), given, problem.post_ops.arguments);
  }
};

}  // namespace

const Tactic& onednn_matmul() {
  static const MatMulTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
