// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/tactic.h"

namespace penstock::backends {

Offer Offer::plain(const NodeFacts& node, std::string config) {
  Form form;
  form.inputs.assign(node.inputs.size(), ir::Layout::kPlain);
  form.outputs.assign(node.outputs.size(), ir::Layout::kPlain);
  form.config = std::move(config);
  return {{std::move(form)}, ""};
}

Result<std::vector<PackedConstant>> Tactic::pack(const NodeFacts&) const {
  return std::vector<PackedConstant>();
}

bool Tactic::can_run_in_place(const NodeFacts&, size_t) const { return false; }

}  // namespace penstock::backends
