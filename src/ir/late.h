// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/attributes.h"

namespace penstock::ir {

// True for a node whose shapes the run tells, or those of what it reads, and for all of control
// flow: the runtime binds it as the run goes, on the host. The compiler asks of nodes, the runtime
// of a plan's steps: `touches_late` says that the shape of something it reads or writes depends on
// data, or that it reads what such a node wrote; `in_body` that it stands in a nested region.
bool is_late(const Attributes& attributes, bool has_bodies, bool in_body, bool touches_late);

}  // namespace penstock::ir
