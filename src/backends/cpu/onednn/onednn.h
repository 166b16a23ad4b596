// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <omp.h>
#include <penstock/status.h>

#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <string_view>

namespace penstock::backends::onednn {

// The one engine of the process. Its instruction set is capped as PENSTOCK_MAX_ISA says.
const dnnl::engine& engine();

// Calls fn, which may throw; what it throws comes back as a Status.
template <typename Fn>
auto guarded(Fn&& fn) -> Result<decltype(fn())> {
  try {
    return fn();
  } catch (const dnnl::error& e) {
    const StatusCode code =
        e.status == dnnl_out_of_memory ? StatusCode::kOutOfMemory : StatusCode::kUnsupported;
    return Status(code, std::string("oneDNN: ") + e.what());
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "oneDNN: out of memory");
  }
}

// oneDNN fixes a primitive's thread count when it creates it: the width of the calling thread's
// OpenMP regions, which this sets and puts back.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~ThreadScope() { omp_set_num_threads(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

// How much an implementation's name promises: "brgconv:avx2" is fast, "x64:gemm:jit" makes a copy
// of the input as a matrix first, "ref:any" is a plain loop.
enum class Quality : uint8_t { kReference, kGemm, kFast };
Quality quality_of(std::string_view implementation);

}  // namespace penstock::backends::onednn
