// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>

#include "ir/dim.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// Names the varying extents of a model's inputs. Equal ONNX names give equal symbols; a name that
// the grammar of extents cannot hold, or that looks like a data-dependent symbol, is changed a bit.
class Symbols {
 public:
  // The shape of input `name`: a dimension without name or size becomes "<name>_dim_<i>".
  ir::SymbolicShape shape_of(const onnx::TensorShapeProto& shape, const std::string& name);
  // What element `i` of input `name` holds.
  ir::Dim value_of(const std::string& name, int64_t i);

 private:
  ir::Dim symbol(const std::string& onnx_name);

  std::map<std::string, std::string> by_onnx_name_;
  std::set<std::string> taken_;
};

}  // namespace penstock::importer
