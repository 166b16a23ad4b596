// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/text/text.h"

namespace penstock::ops {

OpList text_ops() {
  return {&string_equal_op(),      &string_concat_op(),    &string_split_op(),
          &string_normalizer_op(), &regex_full_match_op(), &number_to_string_op(),
          &string_to_number_op(),  &tf_idf_vectorizer_op()};
}

}  // namespace penstock::ops
