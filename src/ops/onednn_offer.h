// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/forms.h"

namespace penstock::ops {

// The config of a row-major form that is slower than another and offered all the same: values whose
// shapes depend on data have no other layout.
inline constexpr std::string_view kForDataDependentShapes = "row_major";

// Of the candidates, those for which oneDNN has its best kind of implementation: a form for which
// it has only a plain loop, or a multiplication of copied matrices, is dropped where another has
// better; of row-major ones the last stays, with kForDataDependentShapes. `implementation_of` gives
// the name of what oneDNN would run.
using ImplementationOf = std::function<Result<std::string>(const backends::NodeFacts& node)>;
backends::Offer offer_fastest(const backends::NodeFacts& node, std::vector<backends::Form> forms,
                              const ImplementationOf& implementation_of);

}  // namespace penstock::ops
