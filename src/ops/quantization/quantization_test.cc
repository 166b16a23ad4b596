// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Values = std::vector<double>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

ir::Attributes attributes(int64_t axis, int64_t block_size, DataType output) {
  ir::Attributes result;
  result.set("axis", axis);
  result.set("block_size", block_size);
  result.set("output_dtype", static_cast<int64_t>(output));
  return result;
}

HostTensor quantize(const std::vector<HostTensor>& inputs, DataType output, int64_t axis = 1,
                    int64_t block_size = 0) {
  return reference({"QuantizeLinear", attributes(axis, block_size, output), inputs, {output}})
      .at(0);
}

HostTensor dequantize(const std::vector<HostTensor>& inputs, int64_t axis = 1,
                      int64_t block_size = 0, DataType output = DataType::kFloat32) {
  return reference({"DequantizeLinear", attributes(axis, block_size, output), inputs, {output}})
      .at(0);
}

// The example of ONNX's specification.
TEST(QuantizeLinear, PerTensorRoundsToEvenAndSaturates) {
  const HostTensor x = floats({6}, {0, 2, 3, 1000, -254, -1000});
  const DataType type = DataType::kUInt8;
  EXPECT_EQ(values_of(quantize({x, floats({}, {2}), tensor(type, {}, {128})}, type)),
            (Values{128, 129, 130, 255, 1, 0}));
  EXPECT_EQ(
      values_of(quantize({floats({4}, {0.5, 1.5, 2.5, -0.5}), floats({1}, {1})}, DataType::kInt8)),
      (Values{0, 2, 2, 0}));
}

TEST(QuantizeLinear, EveryIntegerSaturatesAtItsLimits) {
  const HostTensor x = floats({4}, {1e30, -1e30, kInfinity, kNan});
  const HostTensor one = floats({}, {1});
  EXPECT_EQ(values_of(quantize({x, one}, DataType::kUInt16)), (Values{65535, 0, 65535, 0}));
  EXPECT_EQ(values_of(quantize({x, one}, DataType::kInt16)),
            (Values{32767, -32768, 32767, -32768}));
  EXPECT_EQ(values_of(quantize({x, one}, DataType::kInt8)), (Values{127, -128, 127, -128}));
  EXPECT_EQ(values_of(quantize({x, one}, DataType::kInt4)), (Values{7, -8, 7, -8}));
  EXPECT_EQ(values_of(quantize({x, one}, DataType::kUInt4)), (Values{15, 0, 15, 0}));
  EXPECT_EQ(values_of(quantize({x, one}, DataType::kInt2)), (Values{1, -2, 1, -2}));
  EXPECT_EQ(values_of(quantize({x, one}, DataType::kUInt2)), (Values{3, 0, 3, 0}));
}

TEST(QuantizeLinear, PerAxisAndBlocked) {
  const HostTensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const DataType type = DataType::kInt8;
  EXPECT_EQ(values_of(quantize({x, floats({3}, {1, 2, 3}), tensor(type, {3}, {0, 1, 2})}, type)),
            (Values{1, 2, 3, 4, 3, 4}));
  EXPECT_EQ(values_of(quantize({x, floats({2}, {1, 2})}, type, 0)), (Values{1, 2, 3, 2, 2, 3}));
  // Blocks of two along the last axis: the second one is cut short.
  EXPECT_EQ(values_of(quantize({x, floats({2, 2}, {1, 3, 2, 6})}, type, -1, 2)),
            (Values{1, 2, 1, 2, 2, 1}));
}

TEST(QuantizeLinear, SmallFloatsAndOtherInputs) {
  const HostTensor x = floats({4}, {1, -3, 2000, 0.1});
  EXPECT_EQ(values_of(quantize({x, floats({}, {2})}, DataType::kFloat8E4M3FN)),
            (Values{0.5, -1.5, 448, 0.05078125}));
  EXPECT_EQ(values_of(quantize({x, floats({}, {1})}, DataType::kFloat4E2M1)),
            (Values{1, -3, 6, 0}));
  EXPECT_EQ(values_of(quantize({tensor(DataType::kInt32, {2}, {7, -9}), floats({}, {2})},
                               DataType::kInt8)),
            (Values{4, -4}));
  const DataType half = DataType::kFloat16;
  EXPECT_EQ(
      values_of(quantize({tensor(half, {2}, {3, 5}), tensor(half, {}, {2})}, DataType::kUInt8)),
      (Values{2, 2}));
}

TEST(DequantizeLinear, EveryGranularity) {
  const DataType type = DataType::kUInt8;
  const HostTensor x = tensor(type, {2, 2}, {0, 3, 128, 255});
  EXPECT_EQ(values_of(dequantize({x, floats({}, {2}), tensor(type, {}, {128})})),
            (Values{-256, -250, 0, 254}));
  EXPECT_EQ(values_of(dequantize({x, floats({2}, {2, 4})}, 0)), (Values{0, 6, 512, 1020}));
  EXPECT_EQ(
      values_of(dequantize({x, floats({2, 1}, {1, 0.5}), tensor(type, {2, 1}, {3, 28})}, 1, 2)),
      (Values{-3, 0, 50, 113.5}));
}

TEST(DequantizeLinear, EveryTypeAndOutput) {
  const HostTensor half = floats({}, {0.5});
  for (DataType type : {DataType::kInt8, DataType::kInt16, DataType::kInt32, DataType::kInt4,
                        DataType::kFloat8E5M2, DataType::kFloat4E2M1}) {
    EXPECT_EQ(values_of(dequantize({tensor(type, {2}, {-4, 3}), half})), (Values{-2, 1.5}));
  }
  const HostTensor x = tensor(DataType::kUInt2, {2}, {0, 3});
  const HostTensor zero = tensor(DataType::kUInt2, {}, {1});
  EXPECT_EQ(values_of(dequantize({x, half, zero}, 1, 0, DataType::kBFloat16)), (Values{-0.5, 1}));
  EXPECT_EQ(values_of(dequantize(
                {tensor(DataType::kInt8, {1}, {6}), tensor(DataType::kFloat8E8M0, {}, {0.25})})),
            (Values{1.5}));
}

TEST(Quantization, MisfitsAreErrors) {
  const Fact x = fact(DataType::kFloat32, "2, 3");
  const auto error = [&](const Fact& scale, int64_t axis, int64_t block) {
    return infer("QuantizeLinear", attributes(axis, block, DataType::kInt8), {x, scale})
        .status.message();
  };
  EXPECT_NE(error(fact(DataType::kFloat32, "4"), 1, 0).find("axis 1 needs 3"), std::string::npos);
  EXPECT_NE(error(fact(DataType::kFloat32, "3"), 7, 0).find("axis 7"), std::string::npos);
  EXPECT_NE(error(fact(DataType::kFloat32, "2, 3"), 1, 2).find("[2, 2]"), std::string::npos);
  EXPECT_NE(error(fact(DataType::kInt64, ""), 1, 0).find("int64"), std::string::npos);
  EXPECT_EQ(error(fact(DataType::kFloat32, "n"), 1, 0), "");
  const auto with_zero_point = [&](std::string_view shape) {
    return infer("QuantizeLinear", attributes(1, 0, DataType::kInt8),
                 {x, fact(DataType::kFloat32, ""), fact(DataType::kInt8, shape)})
        .status;
  };
  EXPECT_TRUE(with_zero_point("1").is_ok());
  EXPECT_FALSE(with_zero_point("3").is_ok());
  const OpCase misfit = {"QuantizeLinear",
                         attributes(1, 0, DataType::kInt8),
                         {floats({2, 3}, {1, 2, 3, 4, 5, 6}), floats({2}, {1, 2})},
                         {DataType::kInt8}};
  EXPECT_FALSE(reference_status(misfit).is_ok());
  EXPECT_EQ(infer("QuantizeLinear", attributes(1, 0, DataType::kFloat32),
                  {x, fact(DataType::kFloat32, "")})
                .status.message(),
            "node 'test' (QuantizeLinear): does not quantize to float32");
}

// ONNX's example, and a tensor of zeros.
TEST(DynamicQuantizeLinear, FitsTheRange) {
  OpCase c = {"DynamicQuantizeLinear",
              {},
              {floats({6}, {0, 2, -3, -2.5, 1.34, 0.5})},
              {DataType::kUInt8, DataType::kFloat32, DataType::kUInt8}};
  std::vector<HostTensor> y = reference(c);
  EXPECT_EQ(values_of(y[0]), (Values{153, 255, 0, 26, 221, 179}));
  EXPECT_NEAR(values_of(y[1])[0], 0.0196078438, 1e-8);
  EXPECT_EQ(values_of(y[2]), (Values{153}));
  c.inputs = {floats({2}, {0, 0})};
  y = reference(c);
  EXPECT_EQ(values_of(y[0]), (Values{0, 0}));
  EXPECT_EQ(values_of(y[2]), (Values{0}));
}

TEST(BitCast, KeepsTheBits) {
  const auto bit_cast = [](const HostTensor& x, DataType to) {
    ir::Attributes attributes;
    attributes.set("to", static_cast<int64_t>(to));
    return reference({"BitCast", attributes, {x}, {to}}).at(0);
  };
  EXPECT_EQ(values_of(bit_cast(floats({2}, {1, -2}), DataType::kUInt32)),
            (Values{0x3f800000, 0xc0000000}));
  EXPECT_EQ(values_of(bit_cast(tensor(DataType::kUInt4, {2}, {15, 7}), DataType::kInt4)),
            (Values{-1, 7}));
  EXPECT_EQ(values_of(bit_cast(tensor(DataType::kUInt8, {2}, {2, 0}), DataType::kBool)),
            (Values{1, 0}));
  ir::Attributes wide;
  wide.set("to", static_cast<int64_t>(DataType::kInt64));
  EXPECT_FALSE(infer("BitCast", wide, {fact(DataType::kFloat32, "n")}).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
