// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn/onednn.h"

#include "backends/cpu/simd/isa.h"

namespace penstock::backends::onednn {
namespace {

dnnl::engine create_engine() {
  // Fails harmlessly where a primitive was made before, or the processor has less.
  if (simd::active() != simd::detect()) {
    dnnl_set_max_cpu_isa(simd::active() == simd::Isa::kBaseline ? dnnl_cpu_isa_sse41
                                                                : dnnl_cpu_isa_avx2);
  }
  return {dnnl::engine::kind::cpu, 0};
}

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine kEngine = create_engine();
  return kEngine;
}

Quality quality_of(std::string_view implementation) {
  const auto has = [&](std::string_view word) {
    return implementation.find(word) != std::string_view::npos;
  };
  if (has("ref") || has("simple")) return Quality::kReference;
  if (has("gemm") && !has("brgemm")) return Quality::kGemm;
  return Quality::kFast;
}

}  // namespace penstock::backends::onednn
