// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

constexpr Rule kRules[] = {
    {"RegexFullMatch", 20, {1, 1}, 1, "pattern:s"},
    {"StringConcat", 20, {2, 2}},
    {"StringNormalizer",
     10,
     {1, 1},
     1,
     "case_change_action:s is_case_sensitive:i locale:s stopwords:S"},
    {"StringSplit", 20, {1, 1}, 2, "delimiter:s maxsplit:i"},
    {"TfIdfVectorizer",
     9,
     {1, 1},
     1,
     "max_gram_length:i max_skip_count:i min_gram_length:i mode:s ngram_counts:I ngram_indexes:I "
     "pool_int64s:I pool_strings:S weights:F"},
};

}  // namespace

RuleList text_rules() { return kRules; }

}  // namespace penstock::importer
