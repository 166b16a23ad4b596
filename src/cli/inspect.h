// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

namespace penstock::cli {

// The facts of penstock::inspect_plan() or inspect_model() for people.
void print_facts(const nlohmann::json& facts, bool candidates);

// The report of penstock::roofline() as a table, the layer of most time first.
void print_roofline(const nlohmann::json& report);

}  // namespace penstock::cli
