// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/sequence/sequence.h"

namespace penstock::ops {

OpList sequence_ops() {
  return {&kSequenceEmpty, &kSequenceConstruct, &kSequenceInsert,     &kSequenceErase,
          &kSequenceAt,    &kSequenceLength,    &kSplitToSequence,    &kConcatFromSequence,
          &kSequenceMap,   &kOptional,          &kOptionalHasElement, &kOptionalGetElement};
}

}  // namespace penstock::ops
