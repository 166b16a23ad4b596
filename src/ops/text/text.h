// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

const OpDefinition& string_equal_op();
const OpDefinition& string_concat_op();
const OpDefinition& string_split_op();
const OpDefinition& string_normalizer_op();
const OpDefinition& regex_full_match_op();
const OpDefinition& number_to_string_op();
const OpDefinition& string_to_number_op();
const OpDefinition& tf_idf_vectorizer_op();

// A list of strings among a node's attributes; empty where there is none.
std::vector<std::string> strings_attribute(const ir::Attributes& attributes, std::string_view name);

// Rules: an error where input i holds no strings.
Status check_strings(const InferContext& context, size_t i);

}  // namespace penstock::ops
