// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// A tactic source that is a list.
class ListedSource : public backends::TacticSource {
 public:
  ListedSource(std::string name, TacticList tactics)
      : name_(std::move(name)), tactics_(std::move(tactics)) {}

  std::string_view name() const override { return name_; }
  std::vector<const backends::Tactic*> tactics_for(std::string_view op) const override {
    std::vector<const backends::Tactic*> found;
    for (const auto& [served, tactic] : tactics_) {
      if (served == op) found.push_back(tactic);
    }
    return found;
  }
  const backends::Tactic* find(std::string_view tactic) const override {
    for (const auto& [served, candidate] : tactics_) {
      if (candidate->name() == tactic) return candidate;
    }
    return nullptr;
  }

 private:
  std::string name_;
  TacticList tactics_;
};

}  // namespace penstock::ops
