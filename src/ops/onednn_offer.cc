// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/onednn_offer.h"

#include <algorithm>
#include <optional>

#include "backends/cpu/onednn/onednn.h"

namespace penstock::ops {
namespace {

using backends::onednn::Quality;
using ir::Layout;

// Blocks wider or narrower than the registers the kernel uses give half its speed, or less.
bool fits_blocks(Layout layout, std::string_view implementation) {
  const bool is_avx512 = implementation.find("avx512") != std::string_view::npos;
  if (layout == Layout::kBlocked16) return is_avx512;
  return layout != Layout::kBlocked8 || !is_avx512;
}

std::string describe(const backends::Form& form) {
  std::string text(to_string(form.inputs[0]));
  if (form.outputs[0] != form.inputs[0]) text += " to " + std::string(to_string(form.outputs[0]));
  return form.config.empty() ? text : text + " (" + form.config + ")";
}

bool is_row_major(const backends::Form& form) {
  const auto plain = [](Layout layout) { return layout == Layout::kPlain; };
  return std::all_of(form.inputs.begin(), form.inputs.end(), plain) &&
         std::all_of(form.outputs.begin(), form.outputs.end(), plain);
}

// oneDNN's plain loops are no faster than our own reference kernels.
bool beats_reference(std::string_view implementation) {
  return implementation.find("ref") == std::string_view::npos;
}

}  // namespace

backends::Offer offer_fastest(const backends::NodeFacts& node, std::vector<backends::Form> forms,
                              const ImplementationOf& implementation_of) {
  const backends::onednn::ThreadScope scope(node.threads);
  backends::Offer offer;
  std::optional<backends::Form> row_major;
  Quality best = Quality::kReference;
  for (backends::Form& form : forms) {
    const Result<std::string> implementation = implementation_of(in_form(node, form));
    if (!implementation.is_ok()) {
      offer.refusal += describe(form) + ": " + implementation.status().message() + "; ";
      continue;
    }
    if (is_row_major(form) && beats_reference(*implementation)) row_major = form;
    const Quality quality = backends::onednn::quality_of(*implementation);
    if (quality < best || !fits_blocks(form.inputs[0], *implementation) ||
        !fits_blocks(form.outputs[0], *implementation)) {
      offer.refusal += describe(form) + ": has only " + *implementation + "; ";
      continue;
    }
    if (quality > best) offer.forms.clear();
    best = quality;
    offer.forms.push_back(std::move(form));
  }
  if (!offer.forms.empty()) offer.refusal.clear();
  if (row_major && std::none_of(offer.forms.begin(), offer.forms.end(), is_row_major)) {
    if (row_major->config.empty()) row_major->config = kForDataDependentShapes;
    offer.forms.push_back(*std::move(row_major));
  }
  return offer;
}

}  // namespace penstock::ops
