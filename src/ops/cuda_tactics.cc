// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/cuda_tactics.h"

#include "backends/cuda/cuda_backend.h"
#include "ops/tactic_source.h"

namespace penstock::ops {
namespace {

const backends::TacticSource& own_tactics() {
  static const ListedSource kSource("cuda", [] {
    TacticList all;
    // One line a family.
    for (const TacticList& family : {
             movement_cuda_tactics(),
             pixel_cuda_tactics(),
             indexing_cuda_tactics(),
             embedding_cuda_tactics(),
             mlp_cuda_tactics(),
             normalization_cuda_tactics(),
             reduction_cuda_tactics(),
             convolution_cuda_tactics(),
             vision_cuda_tactics(),
             attention_cuda_tactics(),
             quantized_cuda_tactics(),
         }) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }());
  return kSource;
}

const backends::TacticSource& generated_tactics() {
  static const ListedSource kSource("nvrtc", [] {
    TacticList all = generated_cuda_tactics();
    for (const auto& tactic : quantize_cuda_tactics()) all.push_back(tactic);
    return all;
  }());
  return kSource;
}

const backends::TacticSource& cublaslt_source() {
  static const ListedSource kSource(
      "cublaslt",
      {{"MatMul", &cublaslt_matmul()}, {"Conv", &cublaslt_conv()}, {"MLP", &cublaslt_mlp()}});
  return kSource;
}

const backends::TacticSource& cudnn_source() {
  static const ListedSource kSource("cudnn", {{"Conv", &cudnn_conv()},
                                              {"MatMul", &cudnn_matmul()},
                                              {"Attention", &cudnn_attention()},
                                              {"QuantizedConv", &cudnn_quantized_conv()},
                                              {"QuantizedMatMul", &cudnn_quantized_matmul()}});
  return kSource;
}

// Preferred first.
std::vector<const backends::TacticSource*> sources() {
  return {&cudnn_source(), &cublaslt_source(), &generated_tactics(), &own_tactics()};
}

}  // namespace
}  // namespace penstock::ops

// What the runtime looks up in this library after opening it.
extern "C" {

penstock::Result<std::shared_ptr<penstock::backends::Backend>>* penstock_cuda_backend(int device) {
  using namespace penstock;
  Result<std::shared_ptr<backends::cuda::CudaBackend>> backend =
      backends::cuda::CudaBackend::create(device, ops::sources());
  using Answer = Result<std::shared_ptr<backends::Backend>>;
  if (!backend.is_ok()) return new Answer(backend.status());
  return new Answer(std::shared_ptr<backends::Backend>(*std::move(backend)));
}

void penstock_cuda_tactic_sources(std::vector<const penstock::backends::TacticSource*>& sources) {
  sources = penstock::ops::sources();
}

}  // extern "C"
