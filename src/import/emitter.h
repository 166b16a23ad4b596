// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "import/node_importer.h"

namespace penstock::importer {

// Emits the nodes of a longer lowering, so that its formula reads as one: after the first error it
// emits nothing more, and status() tells that error. The values it gives then are placeholders
// whose shapes must not be relied on.
class Emitter {
 public:
  explicit Emitter(NodeImporter& node) : node_(node) {}

  ir::Value* operator()(std::string_view op, std::vector<ir::Value*> inputs,
                        AttributeList attributes = {});
  const Status& status() const { return status_; }

  ir::Value* reshape(ir::Value* x, ir::SymbolicShape shape);
  ir::Value* expand(ir::Value* x, ir::SymbolicShape shape);
  ir::Value* transpose(ir::Value* x, std::vector<int64_t> perm);
  // Elements [start, end) of one axis.
  ir::Value* slice(ir::Value* x, int64_t axis, const ir::Dim& start, const ir::Dim& end);
  // The value itself where it is of that type already.
  ir::Value* cast(ir::Value* x, DataType dtype);
  ir::Value* scalar(float value, DataType dtype) { return node_.float_constant(value, dtype); }
  ir::Value* real(double value);                 // a scalar, float64
  ir::Value* extent(const ir::Dim& value);       // a scalar, int64
  ir::Value* extents(ir::SymbolicShape values);  // 1-D, int64
  ir::Value* range(const ir::Dim& count);        // 0, 1, ..., count - 1, int64

 private:
  NodeImporter& node_;
  Status status_ = Status::ok();
  ir::Value placeholder_;
};

}  // namespace penstock::importer
