// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/names.h"

#include <algorithm>
#include <numeric>

namespace penstock {
namespace {

// Levenshtein's distance: insertions, deletions and replacements that turn a into b.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string suggest(std::string_view wrong, const std::vector<std::string>& known) {
  if (known.empty()) return "there are none";
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return edit_distance(wrong, a) < edit_distance(wrong, b);
      });
  std::string text;
  if (edit_distance(wrong, *nearest) <= std::max<size_t>(2, wrong.size() / 2)) {
    text = "did you mean '" + *nearest + "'? ";
  }
  text += "Known are:";
  for (const std::string& name : known) {
    text += std::string(&name == &known.front() ? " '" : ", '") + name + "'";
  }
  return text;
}

}  // namespace penstock
