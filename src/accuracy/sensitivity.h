// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/precision_search.h>

#include "accuracy/model.h"

namespace penstock::accuracy {

// As penstock::rank_layers.
Result<SensitivityReport> rank_layers(const Model& model, const Arrays& data,
                                      const SensitivityOptions& options);

}  // namespace penstock::accuracy
