// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include "import/functions.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// Looks at every node and tensor of the model, those of subgraphs and of called functions included,
// and answers one error that lists all operators and types that are not supported.
Status check_support(const onnx::ModelProto& model, const Functions& functions);

}  // namespace penstock::importer
