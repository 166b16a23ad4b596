// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "ops/text/text.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_strings(context, 0));
  const std::string action = context.attributes().get_string("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER") {
    return context.error("case_change_action is '" + action + "'; there are NONE, LOWER and UPPER");
  }
  ir::SymbolicShape shape = context.shape(0);
  const bool is_row = shape.size() == 2 && (shape[0].is_constant(1) || !shape[0].is_constant());
  if (shape.size() != 1 && !is_row) {
    return context.error("takes shapes [C] and [1, C], not " + ir::to_string(shape));
  }
  if (is_row) shape.front() = 1;
  shape.back() = context.fresh_symbol();
  context.set_output(0, DataType::kString, std::move(shape));
  return Status::ok();
}

// Upper and lower case by the rules of a locale; by Unicode's own where it is not installed.
class CaseRules {
 public:
  explicit CaseRules(const std::string& name) {
    for (const std::string& candidate : {name + ".UTF-8", name, std::string("C.UTF-8")}) {
      if (locale_ == nullptr && candidate != ".UTF-8" && !candidate.empty()) {
        locale_ = newlocale(LC_CTYPE_MASK, candidate.c_str(), nullptr);
      }
    }
  }
  ~CaseRules() {
    if (locale_ != nullptr) freelocale(locale_);
  }
  CaseRules(const CaseRules&) = delete;
  CaseRules& operator=(const CaseRules&) = delete;

  std::string lower(std::string_view text) const { return map(text, towlower_l); }
  std::string upper(std::string_view text) const { return map(text, towupper_l); }

 private:
  std::string map(std::string_view text, wint_t (*rule)(wint_t, locale_t)) const {
    if (locale_ == nullptr) return std::string(text);
    std::string result;
    for (size_t at = 0; at < text.size();) {
      const auto c = static_cast<wint_t>(next_character(text, at));
      append_utf8(static_cast<char32_t>(rule(c, locale_)), result);
    }
    return result;
  }

  locale_t locale_ = nullptr;
};

Status reference(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  if (x.shape->empty() || x.shape->size() > 2 || (x.shape->size() == 2 && x.shape->front() != 1)) {
    return {StatusCode::kInvalidArgument,
            "takes shapes [C] and [1, C], not " + to_string(*x.shape)};
  }
  const CaseRules rules(node.attributes.get_string("locale"));
  const bool is_sensitive = node.attributes.get_int("is_case_sensitive") != 0;
  const std::string action = node.attributes.get_string("case_change_action", "NONE");
  const auto key = [&](std::string_view text) {
    return is_sensitive ? std::string(text) : rules.lower(text);
  };
  std::set<std::string> stopwords;
  for (const std::string& word : strings_attribute(node.attributes, "stopwords")) {
    stopwords.insert(key(word));
  }
  std::vector<StringRef> kept;
  for (int64_t i = 0; i < x.count(); ++i) {
    const std::string_view text = x.as<const StringRef>()[i].view();
    if (!stopwords.empty() && stopwords.count(key(text)) != 0) continue;
    if (action == "NONE") {
      kept.push_back(x.as<const StringRef>()[i]);
    } else {
      kept.push_back(run.objects().add(action == "LOWER" ? rules.lower(text) : rules.upper(text)));
    }
  }
  if (kept.empty()) kept.emplace_back();
  Shape shape = *x.shape;
  shape.back() = static_cast<int64_t>(kept.size());
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  std::copy(kept.begin(), kept.end(), y.as<StringRef>());
  return Status::ok();
}

}  // namespace

const OpDefinition& string_normalizer_op() {
  static const OpDefinition kOp = {.name = "StringNormalizer",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer,
                                   .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
