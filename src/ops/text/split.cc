// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/text/text.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

constexpr std::string_view kSpace = " \t\n\v\f\r";

// Runs of white space count as one, at the ends they do not count.
std::vector<std::string_view> split_at_space(std::string_view text, int64_t most) {
  std::vector<std::string_view> pieces;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    if (text.empty()) return pieces;
    const bool is_rest = static_cast<int64_t>(pieces.size()) == most;
    pieces.push_back(is_rest ? text : text.substr(0, text.find_first_of(kSpace)));
    text.remove_prefix(pieces.back().size());
  }
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view delimiter,
                                       int64_t most) {
  std::vector<std::string_view> pieces;
  while (true) {
    const size_t at =
        static_cast<int64_t>(pieces.size()) == most ? std::string_view::npos : text.find(delimiter);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + delimiter.size());
  }
}

Status infer(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_strings(context, 0));
  ir::SymbolicShape pieces = context.shape(0);
  pieces.push_back(context.fresh_symbol());
  context.set_output(0, DataType::kString, std::move(pieces));
  context.set_output(1, DataType::kInt64, context.shape(0));
  return Status::ok();
}

// The pieces refer to the characters of the input: they live as long as a run.
Status reference(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const std::string delimiter = node.attributes.get_string("delimiter");
  const int64_t most = node.attributes.get_int("maxsplit", -1);
  std::vector<std::vector<std::string_view>> split;
  size_t widest = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    const std::string_view text = x.as<const StringRef>()[i].view();
    split.push_back(delimiter.empty() ? split_at_space(text, most)
                                      : split_at(text, delimiter, most));
    widest = std::max(widest, split.back().size());
  }
  Shape shape = *x.shape;
  shape.push_back(static_cast<int64_t>(widest));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  StringRef* to = y.as<StringRef>();
  for (const auto& pieces : split) {
    for (size_t k = 0; k < widest; ++k) {
      *to++ = k < pieces.size() ? StringRef{pieces[k].data(), pieces[k].size()} : StringRef();
    }
  }
  if (!run.has_output(1)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView counts, run.output(1, *x.shape));
  for (size_t i = 0; i < split.size(); ++i) {
    counts.as<int64_t>()[i] = static_cast<int64_t>(split[i].size());
  }
  return Status::ok();
}

}  // namespace

const OpDefinition& string_split_op() {
  static const OpDefinition kOp = {.name = "StringSplit",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .outputs = 2,
                                   .infer = infer,
                                   .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
