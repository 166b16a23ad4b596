// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/tactic.h"

namespace penstock::ops {

const backends::Tactic& onednn_conv();              // Conv
const backends::Tactic& onednn_deconv();            // ConvTranspose
const backends::Tactic& onednn_pool();              // MaxPool, AveragePool
const backends::Tactic& onednn_global_pool();       // GlobalMaxPool, GlobalAveragePool
const backends::Tactic& onednn_matmul();            // MatMul
const backends::Tactic& onednn_quantized_conv();    // QuantizedConv
const backends::Tactic& onednn_quantized_matmul();  // QuantizedMatMul
const backends::Tactic& onednn_reorder();           // Reorder

}  // namespace penstock::ops
