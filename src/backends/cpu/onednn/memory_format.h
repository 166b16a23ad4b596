// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cpu/onednn/onednn.h"
#include "backends/tactic.h"

namespace penstock::backends::onednn {

// An error for types that oneDNN does not compute in on a CPU.
Result<dnnl::memory::data_type> data_type_of(DataType type);

// Where the elements of a tensor lie. Layouts other than row-major need rank 3 to 5.
Result<dnnl::memory::desc> describe(DataType type, const Shape& shape, ir::Layout layout);
Result<dnnl::memory::desc> describe(const Operand& operand);
// Row-major, of 32-bit floats; throws.
dnnl::memory::desc plain_desc(const Shape& shape,
                              dnnl::memory::data_type type = dnnl::memory::data_type::f32);

// oneDNN's name of a memory format ("Acdb16a"): the axes from outermost to innermost, capitals for
// those that are blocked, and the blocks. Empty where no name brings back exactly this description.
std::string format_name(const dnnl::memory::desc& desc);
// The description of a tensor of that shape in a named format.
Result<dnnl::memory::desc> describe_format(DataType type, const Shape& shape,
                                           const std::string& format);

}  // namespace penstock::backends::onednn
