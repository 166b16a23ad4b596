// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/host_run.h"
#include "ops/op_definition.h"
#include "ops/reference_util.h"

// What tests of operators share: tensors from literals, shape rules on one node, reference kernels,
// and tactics compared with them.
namespace penstock::ops::test {

// Two values agree where |actual - expected| <= absolute + relative * |expected|.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
};
// The one table of tolerances. `terms` is how many products or addends one element sums: rounding
// errors grow like its square root. Zero for integers and bool.
Tolerance tolerance(DataType type, int64_t terms = 1);

// A tensor of `type` from numbers, row-major, converted element by element.
HostTensor tensor(DataType type, Shape shape, const std::vector<double>& values);
HostTensor floats(Shape shape, const std::vector<double>& values);
HostTensor int64s(Shape shape, const std::vector<double>& values);
// Uniform in [low, high], reproducible from `seed`; bool tensors get both values.
HostTensor random_tensor(DataType type, Shape shape, uint32_t seed, double low = -1,
                         double high = 1);
// Elements as doubles. 64-bit integers beyond 2^53 lose bits: compare bytes for those.
std::vector<double> values_of(const HostTensor& tensor);

// The first difference in type, shape or elements, with its index and both values. NaN equals NaN.
::testing::AssertionResult matches(const HostTensor& actual, const HostTensor& expected,
                                   Tolerance tolerance);
// Under the table's tolerance for the expected type.
::testing::AssertionResult matches(const HostTensor& actual, const HostTensor& expected);

// "batch, 3, floordiv(seq, 2)" as extents; a syntax error fails the test.
std::vector<ir::Dim> dims(std::string_view text);

// One operand of a node under inference; a default one is an absent input.
struct Fact {
  DataType dtype = DataType::kUndefined;
  ir::SymbolicShape shape;
  std::optional<std::vector<ir::Dim>> contents;
  ir::ConstantRef constant;
};
Fact fact(DataType dtype, std::string_view shape);
Fact constant_fact(const HostTensor& tensor);
// A 1-D int64 tensor of these extents, such as the result of a Shape.
Fact contents_fact(std::string_view extents);

struct Inferred {
  Status status;
  std::vector<ValueFacts> outputs;
  std::string shape(size_t i = 0) const;     // "[batch, 3]"
  std::string contents(size_t i = 0) const;  // "[batch, 3]", or "unknown"
};
// Runs the operator's rule on a node of its own.
Inferred infer(const std::string& op, const ir::Attributes& attributes,
               const std::vector<Fact>& inputs, size_t outputs = 1);

// One node with its operands.
struct OpCase {
  std::string op;
  ir::Attributes attributes;
  std::vector<HostTensor> inputs = {};                        // no storage: absent
  std::vector<DataType> output_types = {DataType::kFloat32};  // kUndefined: not wanted
  std::vector<size_t> constants = {};  // inputs that tactics may pack, known at build time
  int threads = 2;
};

// The table for outputs of a case: sums rounded to 8 bits differ by one unit where kernels that
// round otherwise on the way meet a tie.
Tolerance tolerance(const OpCase& c, DataType type, int64_t terms = 1);

// Runs the reference kernel. An error of it fails the test and gives no outputs.
std::vector<HostTensor> reference(const OpCase& c);
Status reference_status(const OpCase& c);

// Same values in another layout, and back.
HostTensor to_layout(const HostTensor& plain, ir::Layout layout);
HostTensor from_layout(const HostTensor& tensor, ir::Layout layout);

// The node as tactics see it, all operands row-major; outputs have the shapes of `outputs`.
backends::NodeFacts node_facts(const OpCase& c, const std::vector<HostTensor>& outputs);
// Runs `tactic` of `backend`, the CPU's where none is given, in one form: converts the inputs to
// its layouts, packs what it packs, binds, runs, and gives the outputs row-major.
Result<std::vector<HostTensor>> run_tactic(const backends::Tactic& tactic, const OpCase& c,
                                           const backends::Form& form,
                                           const std::vector<HostTensor>& expected,
                                           backends::Backend* backend = nullptr);

// Where a GPU is here: runs the case through every tactic that it has for the operator, as it is
// and with float16 in place of float32, and compares with the reference kernel. Called for every
// case of a test that asks for reference results, so that the operators' tests are the GPU's too.
void expect_device_matches(const OpCase& c, const std::vector<HostTensor>& expected);

// Fails the test where the tactic refuses, or where an output of any of its forms differs from the
// reference kernel's. `terms` as in tolerance().
void expect_matches_reference(const backends::Tactic& tactic, const OpCase& c, int64_t terms = 1);
// Same, against outputs known otherwise.
void expect_gives(const backends::Tactic& tactic, const OpCase& c,
                  const std::vector<HostTensor>& expected, int64_t terms = 1);

}  // namespace penstock::ops::test
