// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/emitter.h"

#include <utility>

namespace penstock::importer {

ir::Value* Emitter::operator()(std::string_view op, std::vector<ir::Value*> inputs,
                               AttributeList attributes) {
  if (!status_.is_ok()) return &placeholder_;
  Result<ir::Value*> value = node_.emit(op, std::move(inputs), attributes);
  if (value.is_ok()) return *value;
  status_ = value.status();
  return &placeholder_;
}

ir::Value* Emitter::reshape(ir::Value* x, ir::SymbolicShape shape) {
  return (*this)("Reshape", {x}, {{"shape", std::move(shape)}, {"allowzero", int64_t{1}}});
}

ir::Value* Emitter::expand(ir::Value* x, ir::SymbolicShape shape) {
  return (*this)("Expand", {x}, {{"shape", std::move(shape)}});
}

ir::Value* Emitter::transpose(ir::Value* x, std::vector<int64_t> perm) {
  return (*this)("Transpose", {x}, {{"perm", std::move(perm)}});
}

ir::Value* Emitter::slice(ir::Value* x, int64_t axis, const ir::Dim& start, const ir::Dim& end) {
  return (*this)("Slice", {x},
                 {{"axes", std::vector<int64_t>{axis}},
                  {"starts", ir::SymbolicShape{start}},
                  {"ends", ir::SymbolicShape{end}}});
}

ir::Value* Emitter::cast(ir::Value* x, DataType dtype) {
  return x->dtype == dtype ? x : (*this)("Cast", {x}, {{"to", static_cast<int64_t>(dtype)}});
}

ir::Value* Emitter::real(double value) {
  return node_.graph().add_constant(node_.name() + "/constant",
                                    ir::make_constant(DataType::kFloat64, {}, &value));
}

ir::Value* Emitter::extent(const ir::Dim& value) {
  return (*this)("Extents", {}, {{"values", ir::SymbolicShape{value}}, {"scalar", int64_t{1}}});
}

ir::Value* Emitter::extents(ir::SymbolicShape values) {
  return (*this)("Extents", {}, {{"values", std::move(values)}});
}

ir::Value* Emitter::range(const ir::Dim& count) {
  return (*this)("Range", {extent(0), extent(count), extent(1)});
}

}  // namespace penstock::importer
