// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/einsum_equation.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <string_view>

namespace penstock::importer {
namespace {

Status wrong(const std::string& what) { return {StatusCode::kInvalidModel, what}; }

// A term with its ellipsis, if any, at index `ellipsis` of the letters.
struct Term {
  Labels letters;
  std::optional<size_t> ellipsis;
};

Result<Term> parse_term(std::string_view text) {
  Term term;
  while (!text.empty()) {
    if (text.starts_with("...") && !term.ellipsis) {
      term.ellipsis = term.letters.size();
      text.remove_prefix(3);
    } else if (std::isalpha(static_cast<unsigned char>(text[0])) != 0) {
      term.letters.push_back(text[0]);
      text.remove_prefix(1);
    } else {
      return wrong("the equation has '" + std::string(text) + "', where letters or one '...' go");
    }
  }
  return term;
}

Labels expand(const Term& term, size_t ellipsis_rank) {
  Labels labels = term.letters;
  if (!term.ellipsis) return labels;
  Labels run;
  for (size_t i = ellipsis_rank; i > 0; --i) run.push_back(-static_cast<int>(i));
  labels.insert(labels.begin() + static_cast<std::ptrdiff_t>(*term.ellipsis), run.begin(),
                run.end());
  return labels;
}

// Without "->": the ellipsis, then the letters that stand once, in ASCII order.
Labels implicit_output(const std::vector<Labels>& inputs, size_t ellipsis_rank) {
  std::map<int, int> counts;
  for (const Labels& labels : inputs) {
    for (int label : labels) ++counts[label];
  }
  Labels output = expand({{}, 0}, ellipsis_rank);
  for (const auto& [label, count] : counts) {
    if (label > 0 && count == 1) output.push_back(label);
  }
  return output;
}

Status check_output(const EinsumEquation& equation) {
  for (size_t i = 0; i < equation.output.size(); ++i) {
    const int label = equation.output[i];
    const auto has = [&](const Labels& labels) {
      return std::find(labels.begin(), labels.end(), label) != labels.end();
    };
    const std::string name = label > 0 ? std::string(1, static_cast<char>(label)) : "...";
    if (std::count(equation.output.begin(), equation.output.end(), label) > 1) {
      return wrong("the equation's result has '" + name + "' twice");
    }
    if (std::none_of(equation.inputs.begin(), equation.inputs.end(), has)) {
      return wrong("the equation's result has '" + name + "', which no operand has");
    }
  }
  return Status::ok();
}

}  // namespace

Result<EinsumEquation> parse_einsum(const std::string& equation, const std::vector<size_t>& ranks) {
  std::string text;
  for (char c : equation) {
    if (c != ' ') text += c;
  }
  const size_t arrow = text.find("->");
  std::string_view left = std::string_view(text).substr(0, arrow);
  std::vector<Term> terms;
  while (true) {
    const size_t comma = left.find(',');
    PENSTOCK_ASSIGN_OR_RETURN(Term term, parse_term(left.substr(0, comma)));
    terms.push_back(std::move(term));
    if (comma == std::string_view::npos) break;
    left.remove_prefix(comma + 1);
  }
  if (terms.size() != ranks.size()) {
    return wrong("the equation has " + std::to_string(terms.size()) + " operands, the node " +
                 std::to_string(ranks.size()));
  }
  EinsumEquation result;
  size_t most = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const size_t letters = terms[i].letters.size();
    if (terms[i].ellipsis ? letters > ranks[i] : letters != ranks[i]) {
      return wrong("operand " + std::to_string(i) + " of the equation has " +
                   std::to_string(letters) + " letters, the tensor rank " +
                   std::to_string(ranks[i]));
    }
    const size_t rank = ranks[i] - letters;
    most = std::max(most, rank);
    result.inputs.push_back(expand(terms[i], rank));
  }
  if (arrow == std::string::npos) {
    result.output = implicit_output(result.inputs, most);
  } else {
    PENSTOCK_ASSIGN_OR_RETURN(const Term term,
                              parse_term(std::string_view(text).substr(arrow + 2)));
    result.output = expand(term, most);
  }
  PENSTOCK_RETURN_IF_ERROR(check_output(result));
  return result;
}

}  // namespace penstock::importer
