// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/tactic_source.h"

namespace penstock::ops {

const backends::TacticSource& onednn_tactics() {
  static const ListedSource kSource("onednn", {});
  return kSource;
}

}  // namespace penstock::ops
