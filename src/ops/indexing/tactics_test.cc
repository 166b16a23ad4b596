// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/indexing/tactics.h"

#include <cmath>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr DataType kF32 = DataType::kFloat32;
constexpr DataType kI64 = DataType::kInt64;

ir::Attributes attributes(std::initializer_list<std::pair<const char*, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

const std::vector<DataType> kTypes = {kF32, DataType::kInt8, DataType::kBFloat16, kI64};

// In [-extent, extent).
HostTensor random_indices(DataType type, Shape shape, int64_t extent, uint32_t seed) {
  return random_tensor(type, std::move(shape), seed, -static_cast<double>(extent),
                       static_cast<double>(extent) - 0.5);
}

TEST(SimdGather, RowsOfEverySize) {
  for (DataType type : kTypes) {
    for (DataType index : {DataType::kInt32, kI64}) {
      for (const Shape& shape : {Shape{50}, Shape{50, 1}, Shape{50, 16}, Shape{50, 3, 5}}) {
        for (const Shape& places : {Shape{}, Shape{0}, Shape{3, 40}}) {
          expect_matches_reference(simd_gather(), {"Gather",
                                                   {},
                                                   {random_tensor(type, shape, 1, -9, 9),
                                                    random_indices(index, places, 50, 2)},
                                                   {type}});
        }
      }
    }
  }
}

TEST(SimdGather, InnerAxesAndManyThreads) {
  for (int64_t axis : {-1, 0, 1}) {
    OpCase c = {"Gather",
                attributes({{"axis", axis}}),
                {random_tensor(kF32, {33, 40, 70}, 1), random_indices(kI64, {900}, 33, 2)}};
    c.threads = 4;
    expect_matches_reference(simd_gather(), c);
  }
}

Status run_status(const backends::Tactic& tactic, const OpCase& c, const Shape& y) {
  const std::vector<HostTensor> outputs = {HostTensor::zeros(c.output_types[0], y)};
  const backends::Offer offer = tactic.offer(node_facts(c, outputs));
  if (offer.forms.empty()) return {StatusCode::kInternal, offer.refusal};
  return run_tactic(tactic, c, offer.forms[0], outputs).status();
}

TEST(SimdGather, NamesTheIndexThatIsOutside) {
  const HostTensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  for (double wrong : {-4.0, 3.0}) {
    const HostTensor at = int64s({2, 1}, {0, wrong});
    const std::string text = "index " + std::to_string(static_cast<int>(wrong));
    for (const auto& [tactic, op, shape] :
         {std::tuple{&simd_gather(), "Gather", Shape{2, 1, 2}},
          std::tuple{&simd_gather_elements(), "GatherElements", Shape{2, 1}},
          std::tuple{&simd_gather_nd(), "GatherND", Shape{2, 2}}}) {
      const Status status = run_status(*tactic, {op, {}, {x, at}}, shape);
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << op;
      EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
    }
  }
}

TEST(SimdGatherElements, EveryAxis) {
  for (int64_t axis = 0; axis < 3; ++axis) {
    for (DataType index : {DataType::kInt32, kI64}) {
      const OpCase c = {
          "GatherElements",
          attributes({{"axis", axis}}),
          {random_tensor(kF32, {7, 30, 41}, 1), random_indices(index, {7, 29, 41}, 7, 2)}};
      expect_matches_reference(simd_gather_elements(), c);
    }
  }
  expect_matches_reference(simd_gather_elements(),
                           {"GatherElements", {}, {floats({4}, {1, 2, 3, 4}), int64s({0}, {})}});
}

TEST(SimdNd, GathersAndScatters) {
  const HostTensor x = random_tensor(kF32, {4, 5, 6, 7}, 1);
  for (int64_t depth = 1; depth <= 4; ++depth) {
    expect_matches_reference(simd_gather_nd(),
                             {"GatherND", {}, {x, random_indices(kI64, {11, 3, depth}, 4, 2)}});
    Shape updates = {33};
    for (int64_t d = depth; d < 4; ++d) updates.push_back(x.shape[d]);
    expect_matches_reference(simd_scatter_nd(), {"ScatterND",
                                                 {},
                                                 {x, random_indices(kI64, {33, depth}, 4, 2),
                                                  random_tensor(kF32, updates, 3)}});
  }
  expect_matches_reference(simd_gather_nd(),
                           {"GatherND",
                            attributes({{"batch_dims", int64_t{2}}}),
                            {x, random_indices(DataType::kInt32, {4, 5, 3, 1}, 6, 2)}});
}

TEST(SimdTopK, EveryKAxisAndOrder) {
  for (DataType type : {kF32, DataType::kInt8, DataType::kFloat16, kI64}) {
    for (int64_t largest : {0, 1}) {
      for (int64_t k : {0, 1, 3, 20, 47}) {
        // Integers: many equal values, whose order must be that of their places.
        for (const auto& [shape, axis] :
             {std::pair{Shape{3, 47}, int64_t{-1}}, std::pair{Shape{2, 47, 5}, int64_t{1}}}) {
          const HostTensor whole = random_tensor(DataType::kInt8, shape, 4, -6, 6);
          expect_matches_reference(simd_top_k(),
                                   {"TopK",
                                    attributes({{"k", k}, {"axis", axis}, {"largest", largest}}),
                                    {tensor(type, shape, values_of(whole))},
                                    {type, kI64}});
        }
      }
    }
  }
}

TEST(SimdTopK, LongLinesAndNan) {
  HostTensor x = random_tensor(kF32, {2, 5000}, 6);
  static_cast<float*>(x.data())[77] = std::nanf("");
  for (int64_t k : {1, 10, 500, 4000}) {
    for (int64_t largest : {0, 1}) {
      expect_matches_reference(
          simd_top_k(), {"TopK", attributes({{"k", k}, {"largest", largest}}), {x}, {kF32, kI64}});
    }
  }
}

TEST(SimdTopK, EitherOutputMayBeUnwanted) {
  const HostTensor x = random_tensor(kF32, {3, 9}, 6);
  const ir::Attributes two = attributes({{"k", int64_t{2}}});
  expect_matches_reference(simd_top_k(), {"TopK", two, {x}, {kF32, DataType::kUndefined}});
  expect_matches_reference(simd_top_k(), {"TopK", two, {x}, {DataType::kUndefined, kI64}});
}

TEST(SimdNonZero, ListsPlaces) {
  for (DataType type : {kF32, DataType::kBool, DataType::kInt8, DataType::kFloat16}) {
    for (const Shape& shape : {Shape{100}, Shape{7, 9, 5}, Shape{0, 3}, Shape{}}) {
      expect_matches_reference(
          simd_non_zero(),
          {"NonZero",
           {},
           {tensor(type, shape, values_of(random_tensor(DataType::kInt8, shape, 3, -1, 1)))},
           {kI64}});
    }
  }
}

}  // namespace
}  // namespace penstock::ops::test
