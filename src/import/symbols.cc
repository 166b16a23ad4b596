// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/symbols.h"

#include <cctype>

#include "ir/graph.h"

namespace penstock::importer {
namespace {

// The nearest name that ir::Dim::parse reads as one symbol.
std::string sanitize(const std::string& name) {
  std::string symbol = name;
  for (char& c : symbol) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
                          c == '.' || c == ':' || c == '/';
    if (!is_plain) c = '_';
  }
  if (std::isdigit(static_cast<unsigned char>(symbol[0])) != 0) symbol.insert(0, "_");
  if (ir::is_data_dependent_symbol(symbol)) symbol += "_";
  return symbol;
}

}  // namespace

ir::Dim Symbols::symbol(const std::string& onnx_name) {
  auto [it, is_new] = by_onnx_name_.emplace(onnx_name, "");
  if (is_new) {
    it->second = sanitize(onnx_name);
    while (!taken_.insert(it->second).second) it->second += "_";
  }
  return ir::Dim::symbol(it->second);
}

ir::Dim Symbols::value_of(const std::string& name, int64_t i) {
  return symbol("value " + std::to_string(i) + " of " + name);
}

ir::SymbolicShape Symbols::shape_of(const onnx::TensorShapeProto& shape, const std::string& name) {
  ir::SymbolicShape dims;
  for (int i = 0; i < shape.dim_size(); ++i) {
    const auto& dim = shape.dim(i);
    // Writers put -1 where they know no size; 0 is a size.
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
      dims.emplace_back(dim.dim_value());
    } else if (!dim.dim_param().empty()) {
      dims.push_back(symbol(dim.dim_param()));
    } else {
      dims.push_back(symbol(name + "_dim_" + std::to_string(i)));
    }
  }
  return dims;
}

}  // namespace penstock::importer
