// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/forms.h"

namespace penstock::ops {

using backends::Form;
using backends::NodeFacts;
using ir::Layout;

NodeFacts in_form(NodeFacts node, const Form& form) {
  for (size_t i = 0; i < node.inputs.size(); ++i) node.inputs[i].layout = form.inputs[i];
  for (size_t i = 0; i < node.outputs.size(); ++i) node.outputs[i].layout = form.outputs[i];
  node.config = form.config;
  return node;
}

Form form_with(const NodeFacts& node, Layout input, Layout output) {
  Form form = backends::Offer::plain(node).forms[0];
  form.inputs[0] = input;
  form.outputs[0] = output;
  return form;
}

Form form_with_operands(const NodeFacts& node, Layout input, Layout output, size_t first_operand) {
  Form form = form_with(node, input, output);
  for (size_t i = first_operand; i < node.inputs.size(); ++i) {
    const backends::Operand& operand = node.inputs[i];
    if (operand.present && operand.data == nullptr && operand.shape == node.outputs[0].shape) {
      form.inputs[i] = output;
    }
  }
  return form;
}

}  // namespace penstock::ops
