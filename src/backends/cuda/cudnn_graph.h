// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/status.h>
#include <penstock/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace penstock::backends::cuda {

// A tensor of device memory as cuDNN is told of it: extents in the model's order, strides in
// elements.
struct CudnnTensor {
  DataType dtype = DataType::kUndefined;
  Shape shape;
  Shape strides;
};

// What follows a convolution in the same kernel.
enum class CudnnActivation : uint8_t {
  kNone,
  kRelu,
  kClip,
  kSigmoid,
  kTanh,
  kGelu,
  kGeluTanh,
  kSilu
};

// y = activation(result + bias + residual); of factors of 8 bits, scaled and quantized as
// CudnnQuantization says.
struct CudnnEpilogue {
  bool has_bias = false;      // a value a channel or column, of y's type
  bool has_residual = false;  // as y
  CudnnActivation activation = CudnnActivation::kNone;
  float low = 0;  // of kClip
  float high = 0;

  bool operator==(const CudnnEpilogue&) const = default;
};

// Of int8 factors, whose products are summed in int32:
// y = activation(scale * sum + bias + residual_scale * residual) / y_scale, where y is int8 rounded
// to the nearest, ties to even, and saturated. Scales and biases are float32.
struct CudnnQuantization {
  bool has_scale_for_each = true;  // output; else one for all
  DataType residual = DataType::kUndefined;
  float residual_scale = 1;
  float y_scale = 1;
};

// conv(x, w). The groups follow from x's and w's channels.
struct CudnnConvolution {
  CudnnTensor x, w, y;
  CudnnEpilogue epilogue;
  std::optional<CudnnQuantization> quantization;
  bool tf32 = false;  // float32 factors may be rounded
  std::vector<int64_t> pads_begin, pads_end, strides, dilations;
};

// a b, tensors [batch, rows, columns].
struct CudnnMatMul {
  CudnnTensor a, b, y;  // kX, kW, kY
  CudnnEpilogue epilogue;
};

// softmax(scale q k^T + mask) v, tensors [batch, heads, rows, size].
struct CudnnAttention {
  CudnnTensor q, k, v, out;
  bool has_mask = false;
  CudnnTensor mask;  // added; [1 or batch, 1 or heads, queries, keys]
  float scale = 1;
  bool causal = false;  // the last query sees all keys
};

// A tensor of a graph, by its part in it.
enum class CudnnRole : int64_t {
  kX = 1,
  kW,
  kBias,
  kResidual,
  kY,
  kQ,
  kK,
  kV,
  kMask,
  kOut,
  kScale
};

// An operation graph with the engines that cuDNN's heuristics propose for it, fastest expected
// first.
class CudnnGraph {
 public:
  static Result<std::unique_ptr<CudnnGraph>> create(const CudnnConvolution& convolution);
  static Result<std::unique_ptr<CudnnGraph>> create(const CudnnMatMul& product);
  static Result<std::unique_ptr<CudnnGraph>> create(const CudnnAttention& attention);
  // With engine `index` ready, or, where the proposals lack it or it does not take the graph, the
  // first of `most` that does: from the current device code where that has it, which neither asks
  // the heuristics nor compiles.
  static Result<std::unique_ptr<CudnnGraph>> prepared(const CudnnConvolution& convolution,
                                                      int index, int most);
  static Result<std::unique_ptr<CudnnGraph>> prepared(const CudnnMatMul& product, int index,
                                                      int most);
  static Result<std::unique_ptr<CudnnGraph>> prepared(const CudnnAttention& attention, int index,
                                                      int most);
  ~CudnnGraph();

  int engine_count() const;
  size_t workspace_bytes() const;  // of the prepared engine
  // Enqueues the prepared engine. From any thread.
  Status run(const std::vector<std::pair<CudnnRole, void*>>& tensors, void* workspace,
             cudaStream_t stream) const;

 private:
  struct State;
  template <typename Description>
  static Result<std::unique_ptr<CudnnGraph>> restore_or_prepare(const Description& description,
                                                                int index, int most);
  explicit CudnnGraph(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// Empty where cuDNN is here; else why not.
const std::string& why_no_cudnn();

}  // namespace penstock::backends::cuda
