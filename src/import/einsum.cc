// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/einsum.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>

#include "import/einsum_equation.h"
#include "import/emitter.h"

namespace penstock::importer {
namespace {

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

Labels joined(Labels a, const Labels& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A tensor and the names of its axes, each of them once.
struct Operand {
  ir::Value* value = nullptr;
  Labels labels;
};

class EinsumLowering {
 public:
  explicit EinsumLowering(NodeImporter& node) : node_(node), emit_(node) {}

  Status run() {
    PENSTOCK_RETURN_IF_ERROR(read());
    Operand result = operands_[0];
    sum_unused(result, 1);
    for (size_t i = 1; i < operands_.size(); ++i) {
      sum_unused(operands_[i], i + 1, &result.labels);
      result = multiplied(result, operands_[i], i + 1);
    }
    result = arranged(result, equation_.output);
    node_.alias(0, result.value);
    return emit_.status();
  }

 private:
  Status read() {
    std::vector<size_t> ranks;
    for (size_t i = 0; i < node_.inputs().size(); ++i) {
      const ir::Value* x = node_.input(i);
      if (x == nullptr) return node_.invalid("input " + std::to_string(i) + " is missing");
      if (x->dtype != node_.input(0)->dtype) return node_.invalid("its operands differ in type");
      ranks.push_back(x->shape.size());
    }
    Result<EinsumEquation> equation =
        parse_einsum(node_.attributes().get_string("equation"), ranks);
    if (!equation.is_ok()) return node_.invalid(equation.status().message());
    equation_ = *equation;
    PENSTOCK_RETURN_IF_ERROR(collect_extents());
    for (size_t i = 0; i < ranks.size(); ++i) {
      Operand operand{node_.input(i), equation_.inputs[i]};
      drop_repeated_ones(operand);
      take_diagonals(operand);
      PENSTOCK_RETURN_IF_ERROR(emit_.status());
      operands_.push_back(operand);
      equation_.inputs[i] = operand.labels;
    }
    return Status::ok();
  }

  Status collect_extents() {
    for (size_t i = 0; i < equation_.inputs.size(); ++i) {
      const ir::SymbolicShape& shape = node_.input(i)->shape;
      for (size_t axis = 0; axis < shape.size(); ++axis) {
        ir::Dim& extent = extents_.emplace(equation_.inputs[i][axis], 1).first->second;
        const bool clashes = extent.is_constant() && shape[axis].is_constant() &&
                             !extent.is_constant(1) && !shape[axis].is_constant(1) &&
                             !(extent == shape[axis]);
        if (clashes) {
          return node_.invalid("an axis of operand " + std::to_string(i) + " has extent " +
                               shape[axis].to_string() + " and elsewhere " + extent.to_string());
        }
        if (extent.is_constant(1) || (shape[axis].is_constant() && !shape[axis].is_constant(1))) {
          extent = shape[axis];
        }
      }
    }
    return Status::ok();
  }

  // An axis of 1 whose name has another extent elsewhere is broadcast: without it, it still is.
  void drop_repeated_ones(Operand& x) {
    Labels labels;
    ir::SymbolicShape shape;
    for (size_t i = 0; i < x.labels.size(); ++i) {
      const ir::Dim& extent = x.value->shape[i];
      if (extent.is_constant(1) && !extents_[x.labels[i]].is_constant(1)) continue;
      labels.push_back(x.labels[i]);
      shape.push_back(extent);
    }
    if (labels.size() == x.labels.size()) return;
    x = {emit_.reshape(x.value, std::move(shape)), std::move(labels)};
  }

  // Two axes of one name: the elements at equal places lie extent + 1 apart once the axes are one.
  void take_diagonals(Operand& x) {
    for (size_t i = 0; i < x.labels.size(); ++i) {
      const auto other = std::find(x.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                   x.labels.end(), x.labels[i]);
      if (other == x.labels.end()) continue;
      const auto j = static_cast<size_t>(other - x.labels.begin());
      std::vector<int64_t> perm;
      Labels labels;
      ir::SymbolicShape shape;
      for (size_t axis = 0; axis < x.labels.size(); ++axis) {
        if (axis == i || axis == j) continue;
        perm.push_back(static_cast<int64_t>(axis));
        labels.push_back(x.labels[axis]);
        shape.push_back(x.value->shape[axis]);
      }
      perm.insert(perm.end(), {static_cast<int64_t>(i), static_cast<int64_t>(j)});
      labels.push_back(x.labels[i]);
      const ir::Dim extent = extents_[x.labels[i]];
      shape.push_back(extent * extent);
      const auto axis = static_cast<int64_t>(shape.size()) - 1;
      ir::Value* flat = emit_.reshape(emit_.transpose(x.value, perm), shape);
      x.value = emit_("Slice", {flat},
                      {{"axes", std::vector<int64_t>{axis}},
                       {"starts", ir::SymbolicShape{0}},
                       {"ends", ir::SymbolicShape{extent * extent}},
                       {"steps", ir::SymbolicShape{extent + 1}}});
      x.labels = std::move(labels);
      if (!emit_.status().is_ok()) return;
      i = static_cast<size_t>(-1);  // again from the start: more than two axes may share a name
    }
  }

  // True where the result or an operand from `next` on has that axis.
  bool is_used(int label, size_t next) const {
    for (size_t i = next; i < operands_.size(); ++i) {
      if (contains(operands_[i].labels, label)) return true;
    }
    return contains(equation_.output, label);
  }

  // Sums over axes that nothing else has.
  void sum_unused(Operand& x, size_t next, const Labels* others = nullptr) {
    std::vector<int64_t> axes;
    Labels kept;
    for (size_t i = 0; i < x.labels.size(); ++i) {
      if (is_used(x.labels[i], next) || (others != nullptr && contains(*others, x.labels[i]))) {
        kept.push_back(x.labels[i]);
      } else {
        axes.push_back(static_cast<int64_t>(i));
      }
    }
    if (axes.empty()) return;
    x = {emit_("ReduceSum", {x.value}, {{"axes", axes}, {"keepdims", int64_t{0}}}), kept};
  }

  Operand multiplied(Operand& a, Operand& b, size_t next) {
    Labels batch, rows, columns, summed;
    for (int label : a.labels) {
      (!contains(b.labels, label) ? rows : is_used(label, next) ? batch : summed).push_back(label);
    }
    for (int label : b.labels) {
      if (!contains(a.labels, label)) columns.push_back(label);
    }
    if (summed.empty()) return times(a, b, columns);
    // What only the first operand has and nothing later needs was summed before.
    const Labels result = joined(joined(batch, rows), columns);
    const bool trans_a = is_order(a, {batch, summed, rows}) && !rows.empty();
    const bool trans_b = is_order(b, {batch, columns, summed}) && !columns.empty();
    ir::Value* x = matrix(a, batch, trans_a ? summed : rows, trans_a ? rows : summed);
    ir::Value* y = matrix(b, batch, trans_b ? columns : summed, trans_b ? summed : columns);
    ir::Value* product =
        emit_("MatMul", {x, y}, {{"trans_a", int64_t{trans_a}}, {"trans_b", int64_t{trans_b}}});
    if (rows.size() != 1 || columns.size() != 1) product = emit_.reshape(product, shape_of(result));
    return {product, result};
  }

  // Nothing is summed: the axes of `a` stay where they are, then come those that only `b` has.
  Operand times(const Operand& a, const Operand& b, const Labels& columns) {
    Labels order;
    for (int label : a.labels) {
      const bool is_shared = contains(b.labels, label);
      if (is_shared || !order.empty()) order.push_back(is_shared ? label : 0);
    }
    ir::Value* x = side(a, joined(a.labels, Labels(columns.size(), 0)));
    ir::Value* y = side(b, joined(order, columns));
    return {emit_("Mul", {x, y}), joined(a.labels, columns)};
  }

  ir::SymbolicShape shape_of(const Labels& labels) {
    ir::SymbolicShape shape;
    for (int label : labels) shape.push_back(label == 0 ? ir::Dim(1) : extents_[label]);
    return shape;
  }

  static Labels flat(const std::vector<Labels>& groups) {
    Labels labels;
    for (const Labels& group : groups) labels = joined(std::move(labels), group);
    return labels;
  }

  static bool is_order(const Operand& x, const std::vector<Labels>& groups) {
    return x.labels == flat(groups);
  }

  // The axes in that order; label 0 is a new axis of 1.
  ir::Value* side(const Operand& x, const Labels& all) {
    Labels own;
    std::copy_if(all.begin(), all.end(), std::back_inserter(own), [](int l) { return l != 0; });
    ir::Value* value = arranged(x, own).value;
    return own.size() == all.size() ? value : emit_.reshape(value, shape_of(all));
  }

  // [batch..., rows, columns], each group of axes as one.
  ir::Value* matrix(const Operand& x, const Labels& batch, const Labels& rows,
                    const Labels& columns) {
    ir::Value* value = arranged(x, flat({batch, rows, columns})).value;
    if (rows.size() == 1 && columns.size() == 1) return value;
    ir::SymbolicShape shape = shape_of(batch);
    shape.push_back(ir::element_count(shape_of(rows)));
    shape.push_back(ir::element_count(shape_of(columns)));
    return emit_.reshape(value, std::move(shape));
  }

  Operand arranged(const Operand& x, const Labels& labels) {
    if (x.labels == labels) return x;
    std::vector<int64_t> perm;
    for (int label : labels) {
      perm.push_back(std::find(x.labels.begin(), x.labels.end(), label) - x.labels.begin());
    }
    return {emit_.transpose(x.value, perm), labels};
  }

  NodeImporter& node_;
  Emitter emit_;
  EinsumEquation equation_;
  std::map<int, ir::Dim> extents_;
  std::vector<Operand> operands_;
};

}  // namespace

Status import_einsum(NodeImporter& node) { return EinsumLowering(node).run(); }

}  // namespace penstock::importer
