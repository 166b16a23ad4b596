// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Strings compared, joined and matched, element by element.
#include <re2/re2.h>

#include <algorithm>

#include "ops/elementwise/broadcast.h"
#include "ops/elementwise/infer.h"
#include "ops/text/text.h"

namespace penstock::ops {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

std::vector<std::string> strings_attribute(const ir::Attributes& attributes,
                                           std::string_view name) {
  const auto found = attributes.all().find(name);
  if (found == attributes.all().end()) return {};
  const auto* list = std::get_if<std::vector<std::string>>(&found->second);
  return list == nullptr ? std::vector<std::string>() : *list;
}

Status check_strings(const InferContext& context, size_t i) {
  if (context.dtype(i) == DataType::kString) return Status::ok();
  return context.error("input " + std::to_string(i) + " is " +
                       std::string(to_string(context.dtype(i))) + ", but must be string");
}

namespace {

Status infer_binary(InferContext& context, DataType result) {
  PENSTOCK_RETURN_IF_ERROR(check_strings(context, 0));
  PENSTOCK_RETURN_IF_ERROR(check_strings(context, 1));
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, broadcast_inputs(context));
  context.set_output(0, result, std::move(shape));
  return Status::ok();
}

Status infer_equal(InferContext& context) { return infer_binary(context, DataType::kBool); }
Status infer_concat(InferContext& context) { return infer_binary(context, DataType::kString); }

// y = f(a, b), broadcast.
template <typename Y, typename F>
Status run_binary(KernelRun& run, F&& f) {
  const TensorView& a = run.input(0);
  const TensorView& b = run.input(1);
  PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, broadcast_shapes(*a.shape, *b.shape));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  const BroadcastLoop loop = broadcast_loop(shape, {a.shape, b.shape});
  map_binary(loop, a.as<const StringRef>(), b.as<const StringRef>(), y.as<Y>(), f);
  return Status::ok();
}

Status run_equal(const NodeFacts&, KernelRun& run) {
  return run_binary<bool>(
      run, [](const StringRef& a, const StringRef& b) { return a.view() == b.view(); });
}

Status run_concat(const NodeFacts&, KernelRun& run) {
  return run_binary<StringRef>(run, [&](const StringRef& a, const StringRef& b) {
    const std::span<char> memory = run.objects().characters(a.size + b.size);
    std::copy_n(b.data, b.size, std::copy_n(a.data, a.size, memory.data()));
    return StringRef{memory.data(), memory.size()};
  });
}

RE2::Options quiet() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

Status check_pattern(const RE2& pattern) {
  if (pattern.ok()) return Status::ok();
  return {StatusCode::kInvalidModel,
          "its pattern '" + pattern.pattern() + "' is no regular expression: " + pattern.error()};
}

Status infer_match(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_strings(context, 0));
  PENSTOCK_RETURN_IF_ERROR(check_pattern(RE2(context.attributes().get_string("pattern"), quiet())));
  context.set_output(0, DataType::kBool, context.shape(0));
  return Status::ok();
}

// ONNX asks for RE2's own syntax, so RE2 does the work; it also takes time linear in the text,
// whatever the pattern.
Status run_match(const NodeFacts& node, KernelRun& run) {
  const RE2 pattern(node.attributes.get_string("pattern"), quiet());
  PENSTOCK_RETURN_IF_ERROR(check_pattern(pattern));
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  for (int64_t i = 0; i < x.count(); ++i) {
    const StringRef& text = x.as<const StringRef>()[i];
    y.as<bool>()[i] = RE2::FullMatch(re2::StringPiece(text.data, text.size), pattern);
  }
  return Status::ok();
}

}  // namespace

const OpDefinition& string_equal_op() {
  static const OpDefinition kOp = {.name = "StringEqual",
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .infer = infer_equal,
                                   .reference = run_equal};
  return kOp;
}

const OpDefinition& string_concat_op() {
  static const OpDefinition kOp = {.name = "StringConcat",
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .infer = infer_concat,
                                   .reference = run_concat};
  return kOp;
}

const OpDefinition& regex_full_match_op() {
  static const OpDefinition kOp = {.name = "RegexFullMatch",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_match,
                                   .reference = run_match};
  return kOp;
}

}  // namespace penstock::ops
