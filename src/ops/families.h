// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

// Every operator stands in the list of its family: the file `list.cc` of the family's folder.
using OpList = std::vector<const OpDefinition*>;

OpList elementwise_ops();  // one output element from the same place of each input
OpList movement_ops();   // reshape, transpose, concat, slice, pad, ...: elements moved, not changed
OpList indexing_ops();   // gather, scatter, one-hot, non-zero, top-k, unique, ...
OpList reduction_ops();  // reductions, arg-reductions, cumulative sums
OpList convolution_ops();    // convolutions and pooling
OpList matmul_ops();         // matrix products
OpList normalization_ops();  // batch, layer, instance norms, softmax
OpList recurrent_ops();      // LSTM, GRU, RNN
OpList vision_ops();         // resize, non-maximum suppression, region pooling
OpList control_ops();        // If, Loop, Scan
OpList attention_ops();      // fused attention
OpList sequence_ops();       // sequences and optionals
OpList text_ops();           // strings
OpList image_ops();          // compressed images
OpList quantization_ops();   // to and from integers and small floats
OpList random_ops();         // random numbers
OpList ml_ops();             // classical machine learning: encoders of labels, decision trees
OpList signal_ops();         // Fourier transforms and what goes with them

}  // namespace penstock::ops
