// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/memory_limit.h"
#include "ops/op_definition.h"

namespace penstock::ops {

extern const OpDefinition kSequenceEmpty;
extern const OpDefinition kSequenceConstruct;
extern const OpDefinition kSequenceInsert;
extern const OpDefinition kSequenceErase;
extern const OpDefinition kSequenceAt;
extern const OpDefinition kSequenceLength;
extern const OpDefinition kSplitToSequence;
extern const OpDefinition kConcatFromSequence;
extern const OpDefinition kSequenceMap;
extern const OpDefinition kOptional;
extern const OpDefinition kOptionalHasElement;
extern const OpDefinition kOptionalGetElement;

// Rules: what input i holds, or an error where it is no sequence.
Result<ir::ElementType> sequence_element(const InferContext& context, size_t i);
// The shape of one of the tensors, extents that vary as fresh symbols; an error where their rank is
// not known.
Result<ir::SymbolicShape> tensor_shape(InferContext& context, const ir::ElementType& element);

// Kernels: the tensors that a sequence or an optional holds; none for a null handle.
const TensorList& list_of(const backends::TensorView& handle);
// The tensor at `view` as one that outlives it, in memory that the run allows.
Result<Tensor> to_tensor(backends::KernelRun& run, const backends::TensorView& view);
backends::TensorView view_of(const Tensor& tensor);
// Output i becomes a handle to `list`.
Status give_list(backends::KernelRun& run, size_t i, TensorList list);
// Output i becomes a copy of `tensor`.
Status give_tensor(backends::KernelRun& run, size_t i, const Tensor& tensor);

}  // namespace penstock::ops
