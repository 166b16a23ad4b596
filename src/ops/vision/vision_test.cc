// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Expected values are those of ONNX's reference evaluator, or worked out by hand.
#include <cmath>
#include <limits>

#include "ops/testing.h"
#include "ops/vision/tactics.h"

namespace penstock::ops::test {
namespace {

constexpr Tolerance kLiteral = {3e-6, 3e-6};

ir::Attributes strings(std::initializer_list<std::pair<const char*, const char*>> list) {
  ir::Attributes attributes;
  for (const auto& [name, value] : list) attributes.set(name, std::string(value));
  return attributes;
}

TEST(Resize, LinearAndCubic) {
  const HostTensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  const OpCase linear{"Resize", strings({{"mode", "linear"}}), {x, {}, floats({4}, {1, 1, 2, 2})}};
  EXPECT_TRUE(matches(reference(linear).at(0),
                      floats({1, 1, 4, 4}, {1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25,
                                            3.5, 3, 3.25, 3.75, 4})));
  const OpCase cubic{
      "Resize", strings({{"mode", "cubic"}}), {x, {}, {}, int64s({4}, {1, 1, 3, 3})}};
  EXPECT_TRUE(matches(reference(cubic).at(0),
                      floats({1, 1, 3, 3}, {0.739584, 1.326389, 1.913196, 1.913195, 2.5, 3.086807,
                                            3.086808, 3.673613, 4.26042}),
                      kLiteral));
}

TEST(Resize, AntialiasOnOneAxis) {
  ir::Attributes attributes = strings({{"mode", "linear"}});
  attributes.set("antialias", int64_t{1});
  attributes.set("axes", std::vector<int64_t>{-1});
  attributes.set("sizes", std::vector<int64_t>{3});
  const OpCase c{"Resize", attributes, {floats({1, 8}, {1, 2, 3, 4, 5, 6, 7, 8})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 3}, {1.976744, 4.5, 7.023256}), kLiteral));
}

std::vector<double> nearest(const char* coordinates, const char* rounding, int64_t size) {
  ir::Attributes attributes =
      strings({{"coordinate_transformation_mode", coordinates}, {"nearest_mode", rounding}});
  attributes.set("sizes", std::vector<int64_t>{size});
  return values_of(
      reference(
          {"Resize", attributes, {tensor(DataType::kUInt8, {4}, {0, 1, 2, 3})}, {DataType::kUInt8}})
          .at(0));
}

TEST(Resize, NearestRoundsAsAsked) {
  // Upsampling by 2, asymmetric: sources 0, 0.5, 1, 1.5, ...
  EXPECT_EQ(nearest("asymmetric", "floor", 8), (std::vector<double>{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(nearest("asymmetric", "ceil", 8), (std::vector<double>{0, 1, 1, 2, 2, 3, 3, 3}));
  EXPECT_EQ(nearest("asymmetric", "round_prefer_floor", 8),
            (std::vector<double>{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(nearest("asymmetric", "round_prefer_ceil", 8),
            (std::vector<double>{0, 1, 1, 2, 2, 3, 3, 3}));
  EXPECT_EQ(nearest("half_pixel", "round_prefer_floor", 2), (std::vector<double>{0, 2}));
  EXPECT_EQ(nearest("align_corners", "floor", 3), (std::vector<double>{0, 1, 3}));
}

TEST(Resize, CropsAndExtrapolates) {
  ir::Attributes attributes =
      strings({{"mode", "linear"}, {"coordinate_transformation_mode", "tf_crop_and_resize"}});
  attributes.set("extrapolation_value", 9.0f);
  attributes.set("sizes", std::vector<int64_t>{3});
  const OpCase c{"Resize", attributes, {floats({3}, {0, 1, 2}), floats({2}, {0.5, 1.5})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({3}, {1, 2, 9})));
}

TEST(Resize, InfersSymbolicSizes) {
  const Fact x = fact(DataType::kFloat32, "batch, 3, h, w");
  auto shape = [&](std::vector<float> scales) {
    ir::Attributes attributes;
    attributes.set("scales", std::move(scales));
    return infer("Resize", attributes, {x}).shape();
  };
  EXPECT_EQ(shape({1, 1, 2, 2}), "[batch, 3, 2*h, 2*w]");
  EXPECT_EQ(shape({1, 1, 0.5f, 1.5f}), "[batch, 3, floordiv(h, 2), floordiv(3*w, 2)]");
  EXPECT_EQ(shape({1, 1, 0.3f, 1}), "[batch, 3, u0, w]");
  EXPECT_EQ(infer("Resize", {}, {x, {}, {}, contents_fact("batch, 3, h*2, 8")}).shape(),
            "[batch, 3, 2*h, 8]");
  EXPECT_FALSE(infer("Resize", {}, {x}).status.is_ok());
}

TEST(Resize, RefusesBadScales) {
  for (float scale : {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    ir::Attributes attributes;
    attributes.set("scales", std::vector<float>{scale});
    EXPECT_FALSE(infer("Resize", attributes, {fact(DataType::kFloat32, "n")}).status.is_ok());
    EXPECT_FALSE(infer("Resize", attributes, {fact(DataType::kFloat32, "3")}).status.is_ok());
    EXPECT_FALSE(reference_status({"Resize", attributes, {floats({3}, {1, 2, 3})}}).is_ok());
  }
}

TEST(Resize, KeepsTheAspectRatio) {
  ir::Attributes attributes = strings({{"keep_aspect_ratio_policy", "not_larger"}});
  attributes.set("axes", std::vector<int64_t>{2, 3});
  attributes.set("sizes", std::vector<int64_t>{4, 8});
  EXPECT_EQ(infer("Resize", attributes, {fact(DataType::kFloat32, "n, 3, 2, 2")}).shape(),
            "[n, 3, 4, 4]");
  attributes.set("keep_aspect_ratio_policy", std::string("not_smaller"));
  const OpCase c{"Resize", attributes, {floats({1, 1, 2, 2}, {1, 2, 3, 4})}};
  EXPECT_EQ(reference(c).at(0).shape, Shape({1, 1, 8, 8}));
}

TEST(NonMaxSuppression, KeepsTheBestOfOverlappingBoxes) {
  OpCase c{"NonMaxSuppression",
           {},
           {floats({1, 3, 4}, {0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11}),
            floats({1, 2, 3}, {0.6, 0.9, 0.3, 0.5, 0.5, 0.8}), int64s({1}, {2}), floats({1}, {0.5}),
            floats({1}, {0.4})},
           {DataType::kInt64}};
  EXPECT_TRUE(matches(reference(c).at(0), int64s({3, 3}, {0, 0, 1, 0, 1, 2, 0, 1, 0})));
  c.inputs[2] = {};  // no boxes unless asked for
  EXPECT_EQ(reference(c).at(0).shape, Shape({0, 3}));
  const Fact boxes = fact(DataType::kFloat32, "n, m, 4");
  EXPECT_EQ(infer("NonMaxSuppression", {}, {boxes, fact(DataType::kFloat32, "n, c, m")}).shape(),
            "[u0, 3]");
}

// Boxes of several sizes in a square of `side`: many overlap, and some are as wide as all.
HostTensor random_boxes(int64_t batch, int64_t count, double side, uint32_t seed) {
  std::vector<double> places =
      values_of(random_tensor(DataType::kFloat32, {batch * count * 2}, seed, 0, side));
  const std::vector<double> sizes =
      values_of(random_tensor(DataType::kFloat32, {batch * count * 2}, seed + 1, 0, 1));
  std::vector<double> boxes;
  for (int64_t i = 0; i < batch * count; ++i) {
    const double most = i % 50 == 49 ? side : 1;
    boxes.push_back(places[2 * i]);
    boxes.push_back(places[2 * i + 1]);
    boxes.push_back(places[2 * i] + most * sizes[2 * i]);
    boxes.push_back(places[2 * i + 1] + most * sizes[2 * i + 1]);
  }
  return floats({batch, count, 4}, boxes);
}

TEST(SimdNonMaxSuppression, MatchesTheReference) {
  struct Draw {
    int64_t batch, classes, count, most;
    double side, overlap;
  };
  uint32_t seed = 1;
  for (const Draw& d :
       {Draw{1, 1, 1, 5, 1, 0.5}, Draw{1, 1, 0, 5, 1, 0.5}, Draw{0, 2, 3, 5, 1, 0.5},
        Draw{1, 1, 3000, 3000, 20, 0.4}, Draw{2, 3, 100, 7, 3, 0.3}, Draw{1, 2, 333, 1000, 5, 0.0},
        Draw{1, 1, 60, 60, 4, -1.0}, Draw{1, 1, 60, 0, 4, 0.5}, Draw{1, 1, 200, 200, 0, 0.5}}) {
    for (const int64_t centred : {0, 1}) {
      ir::Attributes attributes;
      attributes.set("center_point_box", centred);
      OpCase c{"NonMaxSuppression",
               attributes,
               {random_boxes(d.batch, d.count, d.side, seed),
                random_tensor(DataType::kFloat32, {d.batch, d.classes, d.count}, seed + 2, 0, 1),
                int64s({1}, {static_cast<double>(d.most)}), floats({1}, {d.overlap}),
                floats({1}, {0.1})},
               {DataType::kInt64}};
      expect_matches_reference(simd_non_max_suppression(), c);
      c.inputs.pop_back();  // no least score
      expect_matches_reference(simd_non_max_suppression(), c);
      seed += 3;
    }
  }
}

TEST(SimdNonMaxSuppression, TakesBoxesThatAreNotFinite) {
  const double infinity = std::numeric_limits<double>::infinity();
  const OpCase c{"NonMaxSuppression",
                 {},
                 {floats({1, 4, 4}, {0, 0, 1, infinity, 0, 0, 1, 1, std::nan(""), 0, 1, 1,  //
                                     -infinity, -infinity, infinity, infinity}),
                  floats({1, 1, 4}, {0.9, 0.8, 0.7, 0.6}), int64s({1}, {9}), floats({1}, {0.5})},
                 {DataType::kInt64}};
  expect_matches_reference(simd_non_max_suppression(), c);
}

TEST(RoiAlign, Average) {
  std::vector<double> ramp(16);
  for (size_t i = 0; i < 16; ++i) ramp[i] = static_cast<double>(i + 1);
  ir::Attributes attributes;
  attributes.set("output_height", int64_t{2});
  attributes.set("output_width", int64_t{2});
  attributes.set("sampling_ratio", int64_t{2});
  OpCase c{"RoiAlign",
           attributes,
           {floats({1, 1, 4, 4}, ramp), floats({1, 4}, {0, 0, 3, 3}), int64s({1}, {0})}};
  EXPECT_TRUE(
      matches(reference(c).at(0), floats({1, 1, 2, 2}, {2.5625, 4, 8.3125, 9.75}), kLiteral));
  c.inputs[2] = int64s({1}, {1});
  EXPECT_EQ(reference_status(c).code(), StatusCode::kInvalidArgument);
  c.inputs[1] = floats({1, 4}, {0, 0, std::nan(""), 3});
  c.inputs[2] = int64s({1}, {0});
  EXPECT_EQ(reference_status(c).code(), StatusCode::kInvalidArgument);
}

TEST(RoiAlign, OfAnInputWithoutPixelsIsAnError) {
  ir::Attributes attributes;
  attributes.set("output_height", int64_t{1});
  attributes.set("output_width", int64_t{1});
  const OpCase c{"RoiAlign",
                 attributes,
                 {floats({1, 2, 0, 4}, {}), floats({1, 4}, {0, 0, 3, 3}), int64s({1}, {0})}};
  EXPECT_EQ(reference_status(c).code(), StatusCode::kInvalidArgument);
}

TEST(SimdRoiAlign, MatchesTheReference) {
  // Inside, across the edges, outside, thinner than a pixel, from right to left.
  const HostTensor rois = floats({6, 4}, {2, 3, 40,  30,  -8, -9, 12, 70, 90, 90, 99, 99,
                                          5, 5, 5.2, 5.1, 20, 20, 10, 12, 0,  0,  47, 35});
  const HostTensor items = int64s({6}, {0, 1, 1, 0, 1, 1});
  for (const char* mode : {"half_pixel", "output_half_pixel"}) {
    for (int64_t ratio : {0, 1, 2}) {
      for (int threads : {1, 4}) {
        ir::Attributes attributes = strings({{"coordinate_transformation_mode", mode}});
        attributes.set("output_height", int64_t{5});
        attributes.set("output_width", int64_t{3});
        attributes.set("sampling_ratio", ratio);
        attributes.set("spatial_scale", 0.5f);
        OpCase c{"RoiAlign",
                 attributes,
                 {random_tensor(DataType::kFloat32, {2, 7, 18, 24}, 1), rois, items}};
        c.threads = threads;
        expect_matches_reference(simd_roi_align(), c, 100);
      }
    }
  }
}

TEST(SimdRoiAlign, RefusesTheLargestAndTakesNoRegions) {
  ir::Attributes attributes;
  attributes.set("output_height", int64_t{2});
  attributes.set("output_width", int64_t{2});
  OpCase c{
      "RoiAlign",
      attributes,
      {random_tensor(DataType::kFloat32, {1, 2, 4, 4}, 1), floats({0, 4}, {}), int64s({0}, {})}};
  expect_matches_reference(simd_roi_align(), c, 1);
  c.attributes.set("mode", std::string("max"));
  EXPECT_TRUE(simd_roi_align().offer(node_facts(c, reference(c))).forms.empty());
}

HostTensor sampled(const char* mode, const char* padding, int64_t align_corners) {
  ir::Attributes attributes = strings({{"mode", mode}, {"padding_mode", padding}});
  attributes.set("align_corners", align_corners);
  const HostTensor grid = floats({1, 1, 4, 2}, {-1, -1, 0, 0, 1, 0.5, 0.9, -1.4});
  return reference(
             {"GridSample", attributes, {floats({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), grid}})
      .at(0);
}

TEST(GridSample, PadsEveryWay) {
  const Shape shape = {1, 1, 1, 4};
  EXPECT_TRUE(matches(sampled("linear", "zeros", 0), floats(shape, {0.25, 5, 4.125, 0}), kLiteral));
  EXPECT_TRUE(matches(sampled("bilinear", "border", 0), floats(shape, {1, 5, 8.25, 3}), kLiteral));
  EXPECT_TRUE(
      matches(sampled("linear", "reflection", 0), floats(shape, {1, 5, 8.25, 3.3}), kLiteral));
  EXPECT_TRUE(matches(sampled("cubic", "reflection", 1), floats(shape, {1, 5, 8.0625, 3.609498}),
                      kLiteral));
  EXPECT_EQ(infer("GridSample", {},
                  {fact(DataType::kFloat32, "n, 3, h, w"), fact(DataType::kFloat32, "n, 5, q, 2")})
                .shape(),
            "[n, 3, 5, q]");
}

}  // namespace
}  // namespace penstock::ops::test
