// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cublasLt.h>
#include <penstock/status.h>

#include <memory>
#include <string_view>

#include "backends/cuda/dynamic_library.h"

namespace penstock::backends::cuda {

// The functions of cuBLASLt that Penstock calls, found at run time.
struct CublasLt {
  DynamicLibrary library;
  decltype(cublasLtCreate)* create = nullptr;
  decltype(cublasLtMatmulDescCreate)* desc_create = nullptr;
  decltype(cublasLtMatmulDescDestroy)* desc_destroy = nullptr;
  decltype(cublasLtMatmulDescSetAttribute)* desc_set = nullptr;
  decltype(cublasLtMatrixLayoutCreate)* layout_create = nullptr;
  decltype(cublasLtMatrixLayoutDestroy)* layout_destroy = nullptr;
  decltype(cublasLtMatrixLayoutSetAttribute)* layout_set = nullptr;
  decltype(cublasLtMatmulPreferenceCreate)* preference_create = nullptr;
  decltype(cublasLtMatmulPreferenceDestroy)* preference_destroy = nullptr;
  decltype(cublasLtMatmulPreferenceSetAttribute)* preference_set = nullptr;
  decltype(cublasLtMatmulAlgoGetHeuristic)* heuristic = nullptr;
  decltype(cublasLtMatmul)* matmul = nullptr;

  CublasLt();
};

// Opened once a process.
const CublasLt& cublaslt();
// Empty where cuBLASLt is here; else why not.
const std::string& why_no_cublaslt();
// The handle of the calling thread's device; shared by threads.
Result<cublasLtHandle_t> cublaslt_handle();
Status cublas_status(cublasStatus_t status, std::string_view what);

}  // namespace penstock::backends::cuda
