// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>
#include <vector>

#include "ir/constant.h"
#include "plan/plan_file.h"

namespace penstock::compiler {

// The constants section of a plan on its way: the programs of all profiles share it, and equal
// bytes are stored once.
class ConstantPool {
 public:
  // The offset of these bytes, which the pool keeps alive where they are new.
  uint64_t add(const ir::ConstantRef& data);

  const std::vector<plan::ConstantData>& constants() const { return constants_; }

 private:
  std::vector<plan::ConstantData> constants_;
  std::vector<ir::ConstantRef> keep_alive_;
  std::unordered_multimap<uint64_t, size_t> by_hash_;
  uint64_t end_ = 0;
};

}  // namespace penstock::compiler
