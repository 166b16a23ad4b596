// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "import/attribute.h"
#include "ir/graph.h"

namespace penstock::importer {

// What holds for all nodes of one graph or of one call of a model-local function.
struct Frame {
  int opset = 0;
  AttributeBindings attributes;
  std::string prefix;  // of node names: the path of calls
  const Frame* caller = nullptr;
  const onnx::FunctionProto* function = nullptr;  // null in the graphs of the model
};

// What a name stands for.
struct Binding {
  ir::Value* value = nullptr;  // null for an optional input that the call of a function leaves out
  // The node that has this output but does not compute it in inference; the value is null then.
  const onnx::NodeProto* not_computed = nullptr;
};

// The names visible in one graph: its own, then those of the graphs around it. The model owns the
// names, so it must outlive the scope.
class Scope {
 public:
  Scope(const Frame& frame, const Scope* outer) : frame_(frame), outer_(outer) {}

  const Frame& frame() const { return frame_; }

  void bind(std::string_view name, Binding binding) { names_.insert_or_assign(name, binding); }

  const Binding* find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer_) {
      if (const Binding* own = scope->find_here(name)) return own;
    }
    return nullptr;
  }

  // Without the graphs around.
  const Binding* find_here(std::string_view name) const {
    const auto it = names_.find(name);
    return it == names_.end() ? nullptr : &it->second;
  }

 private:
  const Frame& frame_;
  const Scope* outer_;
  std::unordered_map<std::string_view, Binding> names_;
};

}  // namespace penstock::importer
