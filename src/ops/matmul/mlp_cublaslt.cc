// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The layers of an MLP as products of cuBLASLt, one after the other, on rows padded to what its
// kernels for aligned operands want.
#include <cstring>

#include "backends/cuda/cublaslt.h"
#include "backends/cuda/cuda_status.h"
#include "backends/cuda/cuda_stream.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/indexing/embedding_cuda.h"
#include "ops/matmul/matmul_cublaslt.h"
#include "ops/matmul/mlp.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;

constexpr std::string_view kPadded = "padded";  // weights with rows of zeros to a multiple of 8
constexpr int64_t kMultiple = 8;
constexpr int kMostAlgorithms = 4;
constexpr size_t kAlignment = 256;  // of the parts of the workspace

int64_t padded(int64_t count) { return (count + kMultiple - 1) / kMultiple * kMultiple; }
size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// A layer as a MatMul of `rows` rows.
NodeFacts layer_node(const NodeFacts& node, const MlpLayer& layer, bool first, int64_t rows) {
  NodeFacts matmul;
  matmul.op = "MatMul";
  matmul.name = node.name;
  matmul.config = node.config;
  matmul.attributes.set("trans_b", int64_t{layer.trans_b ? 1 : 0});
  matmul.attributes.set("epilogue", print_epilogue(layer.epilogue));
  Operand weights = node.inputs[layer.weights];
  int64_t& k = weights.shape[layer.trans_b ? 1 : 0];
  if (first) k = padded(k);
  Operand x;
  x.present = true;
  x.dtype = weights.dtype;
  x.shape = {rows, k};
  Operand y = x;
  y.shape = {rows, weights.shape[layer.trans_b ? 0 : 1]};
  matmul.inputs = {x, weights};
  if (node.has_input(layer.bias)) matmul.inputs.push_back(node.inputs[layer.bias]);
  matmul.outputs = {y};
  return matmul;
}

struct Layer {
  std::unique_ptr<Kernel> kernel;
  size_t weights = 0;
  size_t bias = 0;
  Shape x, y;
};

// The run of a layer: a MatMul on memory of the MLP's workspace.
class LayerRun : public KernelRun {
 public:
  LayerRun(KernelRun& whole, const Layer& layer, DataType dtype, void* x, void* y, void* workspace)
      : whole_(whole), workspace_(workspace) {
    inputs_[0] = {dtype, ir::Layout::kPlain, &layer.x, x};
    inputs_[1] = whole.input(layer.weights);
    has_bias_ = whole.has_input(layer.bias);
    if (has_bias_) inputs_[2] = whole.input(layer.bias);
    output_ = {dtype, ir::Layout::kPlain, &layer.y, y};
  }

  const TensorView& input(size_t i) const override { return inputs_[i]; }
  bool has_input(size_t i) const override { return i < input_count(); }
  bool has_output(size_t i) const override { return i == 0; }
  size_t input_count() const override { return has_bias_ ? 3 : 2; }
  size_t output_count() const override { return 1; }
  Result<TensorView> output(size_t, const Shape&) override { return output_; }
  void* workspace() const override { return workspace_; }
  backends::KernelState* state() const override { return nullptr; }
  backends::Stream& stream() const override { return whole_.stream(); }
  ObjectPool& objects() override { return whole_.objects(); }
  Status run_region(size_t, const std::vector<TensorView>&, std::vector<TensorView>&) override {
    return {StatusCode::kInternal, "a matrix product has no regions"};
  }

 private:
  KernelRun& whole_;
  void* workspace_;
  TensorView inputs_[3];
  bool has_bias_ = false;
  TensorView output_;
};

class MlpKernel : public Kernel {
 public:
  static Result<std::unique_ptr<Kernel>> create(const NodeFacts& node, MlpFacts facts) {
    auto made = std::make_unique<MlpKernel>();
    const DataType dtype = node.inputs[facts.layers.front().weights].dtype;
    PENSTOCK_ASSIGN_OR_RETURN(made->rows_, cuda_embedding_rows(node, facts.pieces, dtype));
    const int64_t rows = made->rows_.rows;
    size_t widest = 0;
    for (const MlpLayer& layer : facts.layers) {
      const bool first = &layer == &facts.layers.front();
      NodeFacts matmul = layer_node(node, layer, first, rows);
      Layer bound;
      bound.weights = layer.weights;
      bound.bias = layer.bias;
      bound.x = matmul.inputs[0].shape;
      bound.y = matmul.outputs[0].shape;
      PENSTOCK_ASSIGN_OR_RETURN(bound.kernel, bind_cublaslt(matmul, bound.y));
      made->library_bytes_ = std::max(made->library_bytes_, bound.kernel->workspace_bytes());
      for (const Shape& shape : {bound.x, bound.y}) {
        widest = std::max(widest, static_cast<size_t>(element_count(shape)) * size_of(dtype));
      }
      made->layers_.push_back(std::move(bound));
    }
    made->pieces_ = std::move(facts.pieces);
    made->dtype_ = dtype;
    made->y_dtype_ = node.outputs[0].dtype;
    made->buffer_bytes_ = aligned(widest);
    return std::unique_ptr<Kernel>(std::move(made));
  }

  size_t workspace_bytes() const override { return 2 * buffer_bytes_ + library_bytes_; }

  Status run(KernelRun& run) const override {
    cudaStream_t stream = backends::cuda::stream_of(run.stream());
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, layers_.back().y));
    if (rows_.rows == 0) return Status::ok();
    auto* memory = static_cast<std::byte*>(run.workspace());
    void* x = memory;
    void* other = memory + buffer_bytes_;
    const CudaEmbeddingRows rows = place_embedding_rows(pieces_, run, dtype_, rows_);
    launch_embedding_concat(rows, dtype_, x, layers_.front().x[1], stream);
    for (const Layer& layer : layers_) {
      const bool last = &layer == &layers_.back();
      void* result = last && y_dtype_ == dtype_ ? y.data : other;
      LayerRun part(run, layer, dtype_, x, result, memory + 2 * buffer_bytes_);
      PENSTOCK_RETURN_IF_ERROR(layer.kernel->run(part));
      std::swap(x, other);
    }
    if (y_dtype_ != dtype_) cast(x, y, stream);
    return backends::cuda::launch_status("cublaslt.mlp");
  }

 private:
  void cast(const void* from, const TensorView& y, cudaStream_t stream) const {
    const Shape& shape = layers_.back().y;
    CudaEmbeddingRows rows;
    rows.count = 1;
    rows.rows = shape[0];
    rows.columns = rows.units = static_cast<int32_t>(shape[1]);
    rows.pieces[0].data = from;
    rows.pieces[0].dtype = dtype_;
    rows.pieces[0].width = rows.columns;
    launch_embedding_concat(rows, y_dtype_, y.data, rows.columns, stream);
  }

  EmbeddingPieces pieces_;
  CudaEmbeddingRows rows_;
  std::vector<Layer> layers_;
  DataType dtype_ = DataType::kFloat16;
  DataType y_dtype_ = DataType::kFloat16;
  size_t buffer_bytes_ = 0;
  size_t library_bytes_ = 0;
};

// Weights [k, n], or [n, k] where trans_b, with zeros behind k.
ir::ConstantRef pad_weights(const Operand& weights, bool trans_b) {
  Shape shape = weights.shape;
  int64_t& k = shape[trans_b ? 1 : 0];
  k = padded(k);
  ir::ConstantRef made = ir::make_constant(weights.dtype, shape, nullptr);
  auto* to = const_cast<std::byte*>(made->data);
  const auto* from = static_cast<const std::byte*>(weights.data);
  const size_t size = size_of(weights.dtype);
  const auto from_row = static_cast<size_t>(weights.shape[1]) * size;
  const auto to_row = static_cast<size_t>(shape[1]) * size;
  for (int64_t row = 0; row < weights.shape[0]; ++row) {
    std::memcpy(to + static_cast<size_t>(row) * to_row, from + static_cast<size_t>(row) * from_row,
                from_row);
  }
  return made;
}

class MlpTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "cublaslt.mlp"; }

  // A form for each place among the algorithms that the heuristics propose for a layer.
  Offer offer(const NodeFacts& node) const override {
    if (!backends::cuda::why_no_cublaslt().empty()) {
      return Offer::refuse(backends::cuda::why_no_cublaslt());
    }
    const auto facts = mlp_facts(node.attributes, node.inputs.size());
    if (!facts.is_ok()) return Offer::refuse(facts.status().message());
    const DataType dtype = node.inputs[facts->layers.front().weights].dtype;
    const auto rows = cuda_embedding_rows(node, facts->pieces, dtype);
    if (!rows.is_ok()) return Offer::refuse(rows.status().message());
    if (!is_device_float(node.outputs[0].dtype)) return Offer::refuse("a result of another type");
    size_t most = kMostAlgorithms;
    for (const MlpLayer& layer : facts->layers) {
      const Operand& weights = node.inputs[layer.weights];
      if (weights.data == nullptr) return Offer::refuse("weights that are known at the run only");
      if (weights.dtype != dtype) return Offer::refuse("layers of several types");
      const auto variants =
          cublaslt_variants(layer_node(node, layer, &layer == &facts->layers.front(), rows->rows));
      if (!variants.is_ok()) return Offer::refuse(variants.status().message());
      if (&layer == &facts->layers.front()) most = std::min(most, variants->size());
    }
    Offer offer;
    for (size_t i = 0; i < most; ++i) {
      offer.forms.push_back(Offer::plain(node, std::to_string(i)).forms.front());
    }
    return offer;
  }

  Result<std::vector<backends::PackedConstant>> pack(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const MlpFacts facts, mlp_facts(node.attributes, node.inputs.size()));
    const MlpLayer& first = facts.layers.front();
    return std::vector<backends::PackedConstant>{
        {first.weights, pad_weights(node.inputs[first.weights], first.trans_b),
         std::string(kPadded)}};
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(MlpFacts facts, mlp_facts(node.attributes, node.inputs.size()));
    if (node.inputs[facts.layers.front().weights].format != kPadded) {
      return refuse("weights that are not packed");
    }
    return MlpKernel::create(node, std::move(facts));
  }
};

}  // namespace

const backends::Tactic& cublaslt_mlp() {
  static const MlpTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
