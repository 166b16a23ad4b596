// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/quantized_product_cuda.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ops/convolution/window.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/forms.h"
#include "ops/quantized_product.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::PackedConstant;
using backends::TensorView;
using ir::Layout;

// Names of the packed forms: weights' rows and ProductArguments::terms.
constexpr std::string_view kRows = "int8_rows";
constexpr std::string_view kTerms = "product_terms";
constexpr int64_t kMost = int64_t{1} << 30;  // places that kernels count in 32 bits

bool is_byte(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// The arguments but for addresses, and the inputs that the epilogue's steps read.
struct ProductPlan {
  ProductArguments arguments;
  int operands[kMaxProductSteps] = {-1, -1, -1, -1};
};

Status add_steps(const NodeFacts& node, ProductPlan& plan) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  if (epilogue.size() > kMaxProductSteps) return refuse("the epilogue has too many steps");
  ProductArguments& a = plan.arguments;
  for (const EpilogueStep& step : epilogue) {
    ProductStep& made = a.step[a.steps];
    made = {step.kind, DataType::kUndefined, nullptr, step.a, step.b, step.c};
    if (step.is_binary()) {
      if (step.input < 0 || !node.has_input(static_cast<size_t>(step.input))) {
        return refuse("the epilogue's operand is missing");
      }
      const Operand& operand = node.inputs[static_cast<size_t>(step.input)];
      if (operand.shape != node.outputs[0].shape || operand.layout != node.outputs[0].layout) {
        return refuse("the epilogue's operand must have the result's shape and layout");
      }
      if (is_byte(operand.dtype) != step.is_dequantized() ||
          (!is_byte(operand.dtype) && !is_device_float(operand.dtype))) {
        return refuse("the epilogue has an operand of type " +
                      std::string(to_string(operand.dtype)));
      }
      made.type = operand.dtype;
      plan.operands[a.steps] = step.input;
    }
    ++a.steps;
  }
  return Status::ok();
}

// What convolutions and matrix products share.
Status set_product(const NodeFacts& node, ProductPlan& plan) {
  ProductArguments& a = plan.arguments;
  const Operand& x = node.inputs[0];
  const Operand& w = node.inputs[1];
  if (!is_byte(x.dtype)) return refuse("multiplies integers of 8 bits");
  if (!node.has_input(kProductScale)) return refuse("there are no scales");
  if (w.dtype != DataType::kInt8 || node.attributes.get_int("w_zero_point") != 0) {
    return refuse("takes weights of type int8 without a zero point");
  }
  for (size_t i : {size_t{1}, kProductBias, kProductScale}) {
    if (node.has_input(i) && node.inputs[i].data == nullptr) {
      return refuse("input " + std::to_string(i) + " is known at the run only");
    }
    if (i != 1 && node.has_input(i) && node.inputs[i].dtype != DataType::kFloat32) {
      return refuse("takes biases and scales of type float32");
    }
  }
  a.x_unsigned = x.dtype == DataType::kUInt8;
  a.x_zero = static_cast<int>(node.attributes.get_int("x_zero_point"));
  const ProductResult result = product_result(node.attributes);
  if (result.dtype != node.outputs[0].dtype ||
      (!is_byte(result.dtype) && !is_device_float(result.dtype))) {
    return refuse("gives no " + std::string(to_string(result.dtype)));
  }
  a.y_type = result.dtype;
  a.y_scale = result.scale;
  a.y_zero = static_cast<int>(result.zero_point);
  a.padded_channels = static_cast<int>(round_up(a.group_channels, 16));
  const int64_t taps = int64_t{a.kernel_height} * a.kernel_width;
  const int64_t row = round_up(taps * a.padded_channels, kProductRow);
  if (row > kMost || a.outputs > kMost / 4) return refuse("more than 2^30 weights");
  a.row_bytes = static_cast<int>(row);
  const int64_t pixels = a.batch * a.out_height * a.out_width;
  if (pixels > kMost || (a.groups > 1 && pixels > kMost / std::max(1, a.outputs))) {
    return refuse("more than 2^30 pixels, or outputs of groups");
  }
  return add_steps(node, plan);
}

Result<ProductPlan> conv_plan(const NodeFacts& node) {
  const Shape& x = node.inputs[0].shape;
  const Shape& w = node.inputs[1].shape;
  const Shape& y = node.outputs[0].shape;
  if (x.size() != 4) return refuse("takes images");
  const int64_t groups = node.attributes.get_int("group", 1);
  if (groups < 1 || x[1] % groups != 0 || w[0] % groups != 0 || w[1] * groups != x[1]) {
    return refuse("groups that do not divide the channels");
  }
  for (const Shape* shape : {&x, &w, &y}) {
    if (std::any_of(shape->begin(), shape->end(), [](int64_t e) { return e > kMost; })) {
      return refuse("an extent above 2^30");
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            resolve_window(node.attributes, spatial_of(w), spatial_of(x)));
  ProductPlan plan;
  ProductArguments& a = plan.arguments;
  a.batch = x[0];
  a.channels = static_cast<int>(x[1]);
  a.groups = static_cast<int>(groups);
  a.group_channels = static_cast<int>(w[1]);
  a.in_height = static_cast<int>(x[2]);
  a.in_width = static_cast<int>(x[3]);
  a.outputs = static_cast<int>(w[0]);
  a.out_height = static_cast<int>(y[2]);
  a.out_width = static_cast<int>(y[3]);
  PENSTOCK_RETURN_IF_ERROR(set_window(window, a));
  PENSTOCK_RETURN_IF_ERROR(set_product(node, plan));
  return plan;
}

// Rows of x are pixels of one place.
Result<ProductPlan> matmul_plan(const NodeFacts& node) {
  const Shape& x = node.inputs[0].shape;
  const Shape& w = node.inputs[1].shape;
  if (w.size() != 2 || x.empty()) return refuse("multiplies rows by one matrix");
  if (node.attributes.get_int("trans_a") != 0 && x.size() > 1) return refuse("x is transposed");
  const bool transposed = node.attributes.get_int("trans_b") != 0;
  const int64_t inner = transposed ? w[1] : w[0];
  const int64_t outputs = transposed ? w[0] : w[1];
  if (inner > kMost || outputs > kMost) return refuse("an extent above 2^30");
  ProductPlan plan;
  plan.arguments.batch = inner == 0 ? 0 : element_count(x) / inner;
  plan.arguments.channels = plan.arguments.group_channels = static_cast<int>(inner);
  plan.arguments.outputs = static_cast<int>(outputs);
  PENSTOCK_RETURN_IF_ERROR(set_product(node, plan));
  return plan;
}

Result<ProductPlan> product_plan(const NodeFacts& node) {
  return node.op == "QuantizedConv" ? conv_plan(node) : matmul_plan(node);
}

// Where weight [tap][channel] of an output is in the row-major constant.
struct WeightStrides {
  int64_t output, channel, tap;
};

WeightStrides weight_strides(const NodeFacts& node, const ProductArguments& a) {
  const int64_t taps = int64_t{a.kernel_height} * a.kernel_width;
  if (node.op == "QuantizedConv") return {a.group_channels * taps, taps, 1};
  if (node.attributes.get_int("trans_b") != 0) return {a.channels, 1, 0};
  return {1, a.outputs, 0};
}

std::vector<PackedConstant> pack_product(const NodeFacts& node, const ProductArguments& a) {
  const int64_t taps = int64_t{a.kernel_height} * a.kernel_width;
  const WeightStrides strides = weight_strides(node, a);
  const auto* from = static_cast<const int8_t*>(node.inputs[1].data);
  ir::ConstantRef rows = ir::make_constant(DataType::kInt8, {a.outputs, a.row_bytes}, nullptr);
  auto* to = const_cast<int8_t*>(reinterpret_cast<const int8_t*>(rows->data));
  std::memset(to, 0, static_cast<size_t>(a.outputs) * static_cast<size_t>(a.row_bytes));
  ir::ConstantRef terms = ir::make_constant(DataType::kFloat32, {3, a.outputs}, nullptr);
  auto* numbers = const_cast<float*>(reinterpret_cast<const float*>(terms->data));
  const Operand& scale = node.inputs[kProductScale];
  const auto* scales = static_cast<const float*>(scale.data);
  const bool one_scale = element_count(scale.shape) == 1;
  const auto* biases = node.has_input(kProductBias)
                           ? static_cast<const float*>(node.inputs[kProductBias].data)
                           : nullptr;
  const bool one_bias = biases != nullptr && element_count(node.inputs[kProductBias].shape) == 1;
  for (int64_t k = 0; k < a.outputs; ++k) {
    int64_t sum = 0;
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t c = 0; c < a.group_channels; ++c) {
        const int8_t weight = from[k * strides.output + c * strides.channel + t * strides.tap];
        to[k * a.row_bytes + t * a.padded_channels + c] = weight;
        sum += weight;
      }
    }
    numbers[k] = scales[one_scale ? 0 : k];
    numbers[a.outputs + k] = biases == nullptr ? 0.0f : biases[one_bias ? 0 : k];
    const int64_t zero = a.x_zero - (a.x_unsigned ? 128 : 0);
    numbers[2 * a.outputs + k] = std::bit_cast<float>(static_cast<int32_t>(zero * sum));
  }
  return {{1, std::move(rows), std::string(kRows)},
          {kProductScale, std::move(terms), std::string(kTerms)}};
}

// A bias that is one number for each output, or for all of them.
Status check_bias(const NodeFacts& node, const ProductArguments& a) {
  if (!node.has_input(kProductBias)) return Status::ok();
  const Shape& bias = node.inputs[kProductBias].shape;
  const bool is_row = !bias.empty() && bias.back() == a.outputs;
  if (element_count(bias) == 1 || (is_row && element_count(bias) == a.outputs)) return Status::ok();
  return refuse("a bias of shape " + to_string(bias));
}

Status check_packed(const NodeFacts& node, const ProductArguments& a) {
  const auto outputs = static_cast<size_t>(a.outputs);
  const Operand& w = node.inputs[1];
  const Operand& terms = node.inputs[kProductScale];
  if (w.format == kRows && terms.format == kTerms &&
      w.bytes == outputs * static_cast<size_t>(a.row_bytes) &&
      terms.bytes == outputs * 3 * sizeof(float)) {
    return Status::ok();
  }
  return {StatusCode::kInvalidPlan, "weights in format '" + w.format + "', scales in format '" +
                                        terms.format + "': not those of this tactic"};
}

std::string tile_name(const ProductTile& tile) {
  return std::to_string(tile.rows) + "x" + std::to_string(tile.columns);
}

class ProductTactic : public backends::Tactic {
 public:
  explicit ProductTactic(std::string name) : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }

  // A form for each tile.
  Offer offer(const NodeFacts& node) const override {
    const Layout layout = node.op == "QuantizedConv" ? Layout::kChannelsLast : Layout::kPlain;
    if (node.op == "QuantizedConv" && node.inputs[0].shape.size() != 4) {
      return Offer::refuse("takes images");
    }
    backends::Form form = form_with_operands(node, layout, layout, kProductOperands);
    const Result<ProductPlan> plan = product_plan(in_form(node, form));
    if (!plan.is_ok()) return Offer::refuse(plan.status().message());
    if (const Status bias = check_bias(node, plan->arguments); !bias.is_ok()) {
      return Offer::refuse(bias.message());
    }
    Offer offer;
    for (const ProductTile& tile : kProductTiles) {
      form.config = tile_name(tile);
      offer.forms.push_back(form);
      // One kernel serves all of these.
      if (plan->arguments.channels % 16 != 0 || plan->arguments.groups > 1) break;
    }
    return offer;
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const ProductPlan plan, product_plan(node));
    return pack_product(node, plan.arguments);
  }

  Result<std::unique_ptr<backends::Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const ProductPlan plan, product_plan(node));
    PENSTOCK_RETURN_IF_ERROR(check_packed(node, plan.arguments));
    ProductTile tile;
    for (const ProductTile& known : kProductTiles) {
      if (tile_name(known) == node.config) tile = known;
    }
    return make_cuda_kernel(
        name_, [plan, tile, shape = node.outputs[0].shape](KernelRun& run, cudaStream_t stream) {
          ProductArguments a = plan.arguments;
          PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
          a.x = run.input(0).data;
          a.w = run.input(1).data;
          a.terms = static_cast<const float*>(run.input(kProductScale).data);
          a.y = y.data;
          for (int i = 0; i < a.steps; ++i) {
            if (plan.operands[i] < 0) continue;
            a.step[i].operand = run.input(static_cast<size_t>(plan.operands[i])).data;
          }
          a.groups > 1 ? launch_product_in_groups(a, stream) : launch_product(a, tile, stream);
          return Status::ok();
        });
  }

 private:
  std::string name_;
};

}  // namespace

TacticList quantized_cuda_tactics() {
  static const ProductTactic kConv("cuda.quantized_conv");
  static const ProductTactic kMatMul("cuda.quantized_matmul");
  return {{"QuantizedConv", &kConv}, {"QuantizedMatMul", &kMatMul}};
}

}  // namespace penstock::ops
