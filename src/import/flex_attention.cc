// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>

#include "import/attention.h"
#include "import/emitter.h"

namespace penstock::importer {
namespace {

class FlexAttentionLowering {
 public:
  explicit FlexAttentionLowering(NodeImporter& node) : node_(node), emit_(node) {}

  Status run() {
    PENSTOCK_RETURN_IF_ERROR(read());
    const ir::SymbolicShape& q = node_.input(0)->shape;
    const ir::SymbolicShape& k = node_.input(1)->shape;
    const ir::SymbolicShape& v = node_.input(2)->shape;
    const ir::SymbolicShape apart = {q[0], q[1], q[2], k[2]};
    const ir::SymbolicShape grouped = {q[0], k[1], q[2] * groups_, k[2]};
    ir::Value* x = emit_.cast(product(), precision_);
    PENSTOCK_ASSIGN_OR_RETURN(x, modified("score_mod", x, apart, grouped));
    x = emit_("Softmax", {x}, {{"axis", int64_t{-1}}});
    PENSTOCK_ASSIGN_OR_RETURN(x, modified("prob_mod", x, apart, grouped));
    ir::Value* y = emit_("MatMul", {x, emit_.cast(node_.input(2), precision_)});
    if (groups_ > 1) y = emit_.reshape(y, {q[0], q[1], q[2], v[3]});
    node_.alias(0, emit_.cast(y, node_.input(2)->dtype));
    return emit_.status();
  }

 private:
  Status read() {
    const DataType dtype = node_.input(0)->dtype;
    for (size_t i = 0; i < 3; ++i) {
      const ir::Value& x = *node_.input(i);
      if (!is_floating(x.dtype) || x.dtype != dtype || x.shape.size() != 4) {
        return node_.invalid("Q, K and V must be of one floating type and have rank 4; input " +
                             std::to_string(i) + " has shape " + ir::to_string(x.shape));
      }
    }
    PENSTOCK_ASSIGN_OR_RETURN(
        groups_, group_size(node_, node_.input(0)->shape[1], node_.input(1)->shape[1]));
    const ir::Attributes& attributes = node_.attributes();
    const ir::Dim& size = node_.input(0)->shape[3];
    if (!attributes.has("scale") && !size.is_constant()) {
      return node_.unsupported("needs a scale where the size of the heads varies");
    }
    scale_ = attributes.has("scale")
                 ? attributes.get_float("scale")
                 : static_cast<float>(1 / std::sqrt(static_cast<double>(size.constant())));
    const int64_t asked = attributes.get_int("softmax_precision");
    precision_ = asked != 0                    ? static_cast<DataType>(asked)
                 : dtype == DataType::kFloat64 ? dtype
                                               : DataType::kFloat32;
    if (is_floating(precision_)) return Status::ok();
    return node_.invalid("softmax_precision " + std::to_string(asked) + " is no floating type");
  }

  // Queries that share a head of keys stand in one head, one after another.
  ir::Value* product() {
    ir::Value* q = node_.input(0);
    ir::Value* k = node_.input(1);
    const ir::SymbolicShape& shape = q->shape;
    if (groups_ > 1) q = emit_.reshape(q, {shape[0], k->shape[1], shape[2] * groups_, shape[3]});
    const bool is_wide = q->dtype == DataType::kFloat32 || q->dtype == DataType::kFloat64;
    if (is_wide || scale_ < 0.0f) {
      return emit_("MatMul", {q, k}, {{"trans_b", int64_t{1}}, {"alpha", scale_}});
    }
    ir::Value* root = emit_.scalar(std::sqrt(scale_), q->dtype);
    return emit_("MatMul", {emit_("Mul", {q, root}), emit_("Mul", {k, root})},
                 {{"trans_b", int64_t{1}}});
  }

  // What the subgraph in attribute `name` makes of x, heads apart.
  Result<ir::Value*> modified(std::string_view name, ir::Value* x, const ir::SymbolicShape& apart,
                              const ir::SymbolicShape& grouped) {
    const onnx::GraphProto* body = node_.subgraph(name);
    if (body == nullptr) return x;
    if (groups_ > 1) x = emit_.reshape(x, apart);
    PENSTOCK_RETURN_IF_ERROR(emit_.status());
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<ir::Value*> results, node_.inline_call(*body, {x}));
    if (results.size() != 1 || results[0]->dtype != precision_ ||
        results[0]->shape.size() != apart.size()) {
      return node_.invalid("its subgraph '" + std::string(name) +
                           "' must give one tensor of its input's type and shape");
    }
    return groups_ > 1 ? emit_.reshape(results[0], grouped) : results[0];
  }

  NodeImporter& node_;
  Emitter emit_;
  int64_t groups_ = 1;
  float scale_ = 1.0f;
  DataType precision_ = DataType::kFloat32;
};

}  // namespace

Status import_flex_attention(NodeImporter& node) { return FlexAttentionLowering(node).run(); }

}  // namespace penstock::importer
