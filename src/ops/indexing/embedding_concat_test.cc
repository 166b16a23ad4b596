// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

constexpr DataType kF16 = DataType::kFloat16;
constexpr DataType kF32 = DataType::kFloat32;
constexpr DataType kI64 = DataType::kInt64;

ir::Attributes attributes(Ints pieces, DataType to) {
  ir::Attributes result;
  result.set("pieces", std::move(pieces));
  result.set("to", static_cast<int64_t>(to));
  return result;
}

OpCase make_case(Ints pieces, std::vector<HostTensor> inputs, DataType to = kF32) {
  return {"EmbeddingConcat", attributes(std::move(pieces), to), std::move(inputs), {to}};
}

TEST(EmbeddingConcatReference, LookupsColumnsOffsetsAndDenseRows) {
  const HostTensor table = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const HostTensor indices = int64s({2, 2}, {0, 1, -1, -3});
  const HostTensor dense = floats({2, 1}, {7, 8});
  const auto y = reference(make_case({0, -1, 1, -1, 1, 1, 2, -1, 2, 0},
                                     {dense, table, indices, table, indices, table, indices,
                                      int64s({2}, {1, 1}), table, indices, int64s({}, {2})}));
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(y[0].shape, (Shape{2, 13}));
  EXPECT_EQ(values_of(y[0]), (std::vector<double>{7, 1, 2, 3, 4, 3, 4, 3, 4, 5, 6, 5, 6,  //
                                                  8, 5, 6, 1, 2, 1, 2, 1, 2, 3, 4, 3, 4}));
}

TEST(EmbeddingConcatReference, NamesTheIndexThatIsOutside) {
  const Status status =
      reference_status(make_case({1, -1}, {floats({3, 1}, {1, 2, 3}), int64s({2}, {0, 3})}));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("index 3"), std::string::npos) << status.message();
}

TEST(EmbeddingConcatRule, AddsColumnsAndChecksOperands) {
  const Fact table = fact(kF16, "vocab, 16");
  const Fact dense = fact(kF32, "n, 13");
  const auto inferred = infer("EmbeddingConcat", attributes({1, -1, 0, -1}, kF16),
                              {table, fact(kI64, "n, 26"), dense});
  EXPECT_EQ(inferred.shape(), "[n, 429]");
  EXPECT_EQ(inferred.outputs[0].dtype, kF16);
  const auto fails = [&](Ints pieces, std::vector<Fact> inputs) {
    return !infer("EmbeddingConcat", attributes(std::move(pieces), kF16), inputs).status.is_ok();
  };
  EXPECT_TRUE(fails({1, -1}, {table}));
  EXPECT_TRUE(fails({3, -1}, {table}));
  EXPECT_TRUE(fails({1, -1}, {table, dense}));
  EXPECT_TRUE(fails({1, 0}, {table, fact(kI64, "n")}));
  EXPECT_TRUE(fails({0, -1, 0, -1}, {fact(kF32, "2, 3"), fact(kF32, "4, 3")}));
  EXPECT_TRUE(fails({2, -1}, {table, fact(kI64, "n, 26"), fact(kI64, "3")}));
}

// Cases that the GPU's kernels run as well: widths that are copied whole and not, rows whose
// pieces begin anywhere, every type.
TEST(EmbeddingConcat, OverManyShapes) {
  uint32_t seed = 1;
  for (const DataType to : {kF32, kF16, DataType::kBFloat16}) {
    for (const int64_t rows : {1, 3, 70}) {
      for (const int64_t width : {1, 3, 8, 16}) {
        const HostTensor table = random_tensor(to, {11, width}, ++seed);
        const HostTensor other = random_tensor(kF32, {5, width}, ++seed);
        const HostTensor indices = random_tensor(kI64, {rows, 4}, ++seed, 0, 4);
        const HostTensor few = random_tensor(DataType::kInt32, {rows}, ++seed, -5, 4);
        const HostTensor dense = random_tensor(kF32, {rows, 13}, ++seed);
        const auto y = reference(make_case({1, -1, 0, -1, 1, -1, 2, -1, 1, 2},
                                           {table, indices, dense, other, few, table, indices,
                                            int64s({4}, {0, 3, 6, 2}), table, indices},
                                           to));
        ASSERT_EQ(y.size(), 1u);
        EXPECT_EQ(y[0].shape, (Shape{rows, 10 * width + 13}));
      }
    }
  }
}

}  // namespace
}  // namespace penstock::ops::test
