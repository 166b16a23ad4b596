// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ops/narrow_cases_testing.h"
#include "ops/onednn_tactics.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

OpCase pool(const char* op, Shape x, Ints kernel, Ints strides, Ints pads, Ints dilations = {}) {
  OpCase c{op, {}, {random_tensor(DataType::kFloat32, std::move(x), 1)}};
  c.attributes.set("kernel_shape", std::move(kernel));
  if (!strides.empty()) c.attributes.set("strides", std::move(strides));
  if (!pads.empty()) c.attributes.set("pads", std::move(pads));
  if (!dilations.empty()) c.attributes.set("dilations", std::move(dilations));
  return c;
}

TEST(OnednnPool, MatchesTheReference) {
  for (const char* op : {"MaxPool", "AveragePool"}) {
    for (int64_t counts_padding : {0, 1}) {
      for (OpCase c :
           {pool(op, {1, 64, 13, 13}, {3, 3}, {2, 2}, {1, 1, 1, 1}),
            pool(op, {2, 5, 7, 9}, {2, 3}, {1, 2}, {0, 1, 1, 0}),
            pool(op, {1, 16, 8, 8}, {2, 2}, {2, 2}, {}), pool(op, {1, 8, 12}, {3}, {2}, {1, 1}),
            pool(op, {1, 8, 5, 6, 7}, {2, 2, 2}, {2, 2, 2}, {})}) {
        c.attributes.set("count_include_pad", counts_padding);
        SCOPED_TRACE(std::string(op) + to_string(c.inputs[0].shape));
        expect_matches_reference(onednn_pool(), c, 9);
      }
    }
  }
}

TEST(OnednnPool, TakesSixteenBits) {
  PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS();
  for (DataType type : multiplied_narrow_floats()) {
    Taken count;
    for (const char* op : {"MaxPool", "AveragePool"}) {
      for (const OpCase& c : {pool(op, {1, 64, 13, 13}, {3, 3}, {2, 2}, {1, 1, 1, 1}),
                              pool(op, {2, 5, 7, 9}, {2, 3}, {1, 2}, {0, 1, 1, 0})}) {
        expect_matches_where_taken(onednn_pool(), in_narrow_floats(c, type), 9, count);
      }
    }
    const OpCase global{
        "GlobalAveragePool", {}, {random_tensor(DataType::kFloat32, {2, 64, 7, 7}, 1)}};
    expect_matches_where_taken(onednn_global_pool(), in_narrow_floats(global, type), 49, count);
    EXPECT_LT(count.refused, count.taken);
  }
}

TEST(OnednnPool, RoundsUpAndDilates) {
  for (const char* op : {"MaxPool", "AveragePool"}) {
    OpCase c = pool(op, {1, 16, 14, 14}, {3, 3}, {2, 2}, {});
    c.attributes.set("ceil_mode", int64_t{1});
    expect_matches_reference(onednn_pool(), c, 9);
  }
  expect_matches_reference(onednn_pool(), pool("MaxPool", {1, 16, 9, 9}, {3, 3}, {}, {}, {2, 2}));
}

TEST(OnednnPool, RefusesIndicesAndWhatItWouldCountWrongly) {
  OpCase indices = pool("MaxPool", {1, 8, 4, 4}, {2, 2}, {}, {});
  indices.output_types = {DataType::kFloat32, DataType::kInt64};
  EXPECT_TRUE(onednn_pool().offer(node_facts(indices, reference(indices))).forms.empty());
  // Where nothing is rounded up too: other extents of the same node are.
  for (int64_t extent : {4, 5}) {
    OpCase counting = pool("AveragePool", {1, 8, extent, extent}, {3, 3}, {2, 2}, {1, 1, 1, 1});
    counting.attributes.set("ceil_mode", int64_t{1});
    counting.attributes.set("count_include_pad", int64_t{1});
    EXPECT_TRUE(onednn_pool().offer(node_facts(counting, reference(counting))).forms.empty());
  }
}

TEST(OnednnPool, CountsNoPaddingWhereThereIsNone) {
  for (int64_t extent : {7, 8}) {
    OpCase c = pool("AveragePool", {1, 8, extent, extent}, {3, 3}, {2, 2}, {});
    c.attributes.set("ceil_mode", int64_t{1});
    c.attributes.set("count_include_pad", int64_t{1});
    expect_matches_reference(onednn_pool(), c, 9);
  }
}

TEST(OnednnGlobalPool, MatchesTheReference) {
  for (const char* op : {"GlobalAveragePool", "GlobalMaxPool"}) {
    for (const Shape& shape : {Shape{1, 64, 7, 7}, Shape{3, 5, 4, 9}, Shape{2, 17, 1, 1},
                               Shape{2, 8, 33}, Shape{1, 8, 3, 4, 5}}) {
      SCOPED_TRACE(std::string(op) + to_string(shape));
      expect_matches_reference(onednn_global_pool(),
                               {op, {}, {random_tensor(DataType::kFloat32, shape, 1)}}, 60);
    }
  }
}

}  // namespace
}  // namespace penstock::ops::test
