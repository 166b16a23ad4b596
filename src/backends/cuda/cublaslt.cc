// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cublaslt.h"

#include <map>
#include <mutex>

#include "backends/cuda/cuda_status.h"
#include "backends/device_code.h"

namespace penstock::backends::cuda {

CublasLt::CublasLt() : library({"libcublasLt.so.13", "libcublasLt.so"}) {
  library.find("cublasLtCreate", create);
  library.find("cublasLtMatmulDescCreate", desc_create);
  library.find("cublasLtMatmulDescDestroy", desc_destroy);
  library.find("cublasLtMatmulDescSetAttribute", desc_set);
  library.find("cublasLtMatrixLayoutCreate", layout_create);
  library.find("cublasLtMatrixLayoutDestroy", layout_destroy);
  library.find("cublasLtMatrixLayoutSetAttribute", layout_set);
  library.find("cublasLtMatmulPreferenceCreate", preference_create);
  library.find("cublasLtMatmulPreferenceDestroy", preference_destroy);
  library.find("cublasLtMatmulPreferenceSetAttribute", preference_set);
  library.find("cublasLtMatmulAlgoGetHeuristic", heuristic);
  library.find("cublasLtMatmul", matmul);
}

const CublasLt& cublaslt() {
  static const auto* the = [] {
    const SpentTimer timer(kOpeningLibraries);
    return new CublasLt;
  }();
  return *the;
}

const std::string& why_no_cublaslt() { return cublaslt().library.error(); }

Status cublas_status(cublasStatus_t status, std::string_view what) {
  if (status == CUBLAS_STATUS_SUCCESS) return Status::ok();
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaGetLastError(), what));
  const StatusCode code = status == CUBLAS_STATUS_ALLOC_FAILED    ? StatusCode::kOutOfMemory
                          : status == CUBLAS_STATUS_NOT_SUPPORTED ? StatusCode::kUnsupported
                                                                  : StatusCode::kInternal;
  return {code, std::string(what) + ": cuBLASLt answers " + std::to_string(status)};
}

Result<cublasLtHandle_t> cublaslt_handle() {
  if (!why_no_cublaslt().empty()) return Status(StatusCode::kUnsupported, why_no_cublaslt());
  static std::mutex mutex;
  static auto* handles = new std::map<int, cublasLtHandle_t>;
  int device = 0;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaGetDevice(&device), "asking for the device"));
  const std::lock_guard lock(mutex);
  cublasLtHandle_t& handle = (*handles)[device];
  if (handle == nullptr) {
    const SpentTimer timer(kOpeningLibraries);
    PENSTOCK_RETURN_IF_ERROR(cublas_status(cublaslt().create(&handle), "opening cuBLASLt"));
  }
  return handle;
}

}  // namespace penstock::backends::cuda
