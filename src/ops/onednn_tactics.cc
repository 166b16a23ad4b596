// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/onednn_tactics.h"

#include "ops/tactic_source.h"

namespace penstock::ops {

const backends::TacticSource& onednn_tactics() {
  static const ListedSource kSource("onednn", {
                                                  {"Conv", &onednn_conv()},
                                                  {"ConvTranspose", &onednn_deconv()},
                                                  {"MaxPool", &onednn_pool()},
                                                  {"AveragePool", &onednn_pool()},
                                                  {"GlobalAveragePool", &onednn_global_pool()},
                                                  {"GlobalMaxPool", &onednn_global_pool()},
                                                  {"MatMul", &onednn_matmul()},
                                                  {"QuantizedConv", &onednn_quantized_conv()},
                                                  {"QuantizedMatMul", &onednn_quantized_matmul()},
                                                  {"Reorder", &onednn_reorder()},
                                              });
  return kSource;
}

}  // namespace penstock::ops
