// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Dims = ir::SymbolicShape;

constexpr DataType kF32 = DataType::kFloat32;

ir::Attributes with(std::string_view name, ir::Attribute value) {
  ir::Attributes attributes;
  attributes.set(name, std::move(value));
  return attributes;
}

Inferred reshape(std::string_view from, std::string_view to) {
  return infer("Reshape", with("shape", dims(to)), {fact(kF32, from)});
}

TEST(ReshapeRule, InfersMinusOneExactly) {
  EXPECT_EQ(reshape("batch, seq, 768", "batch, -1, 12, 64").shape(), "[batch, seq, 12, 64]");
  EXPECT_EQ(reshape("batch, seq + 1, 768", "batch, -1, 12, 64").shape(),
            "[batch, seq + 1, 12, 64]");
  EXPECT_EQ(reshape("batch*seq + batch, 768", "-1, seq + 1, 768").shape(), "[batch, seq + 1, 768]");
  EXPECT_EQ(reshape("n, floordiv(h, 2), floordiv(w, 2), 8", "n, -1, 8").shape(),
            "[n, floordiv(h, 2)*floordiv(w, 2), 8]");
  EXPECT_EQ(reshape("batch, 7", "-1, 2").shape(), "[floordiv(7*batch, 2), 2]");
}

TEST(ReshapeRule, ZeroCopiesUnlessAllowed) {
  EXPECT_EQ(reshape("batch, 6", "0, 2, 3").shape(), "[batch, 2, 3]");
  ir::Attributes attributes = with("shape", dims("0, 5"));
  attributes.set("allowzero", int64_t{1});
  EXPECT_EQ(infer("Reshape", attributes, {fact(kF32, "3, 0")}).shape(), "[0, 5]");
}

TEST(ReshapeRule, ReadsTheInputAndFallsBackToUnknownExtents) {
  EXPECT_EQ(infer("Reshape", {}, {fact(kF32, "b, 4"), contents_fact("b*2, 2")}).shape(),
            "[2*b, 2]");
  EXPECT_EQ(infer("Reshape", {}, {fact(kF32, "b, 4"), fact(DataType::kInt64, "2")}).shape(),
            "[u0, u1]");
}

TEST(ReshapeRule, ReportsMismatches) {
  EXPECT_EQ(reshape("2, 3", "4, 2").status.code(), StatusCode::kInvalidModel);
  EXPECT_EQ(reshape("2, 3", "4, -1").status.code(), StatusCode::kInvalidModel);
  EXPECT_EQ(reshape("2, 3", "-1, -1").status.code(), StatusCode::kInvalidModel);
  EXPECT_FALSE(infer("Reshape", {}, {fact(kF32, "2, 3")}).status.is_ok());
}

TEST(ViewRules, FlattenSqueezeUnsqueeze) {
  EXPECT_EQ(infer("Flatten", with("axis", int64_t{-1}), {fact(kF32, "b, 3, s")}).shape(),
            "[3*b, s]");
  EXPECT_EQ(infer("Flatten", with("axis", int64_t{0}), {fact(kF32, "b, 3")}).shape(), "[1, 3*b]");
  EXPECT_EQ(infer("Squeeze", with("axes", std::vector<int64_t>{-1}), {fact(kF32, "b, 1")}).shape(),
            "[b]");
  EXPECT_EQ(infer("Squeeze", {}, {fact(kF32, "1, b, 1, 3")}).shape(), "[b, 3]");
  EXPECT_EQ(
      infer("Unsqueeze", with("axes", std::vector<int64_t>{0, -1}), {fact(kF32, "b")}).shape(),
      "[1, b, 1]");
  EXPECT_FALSE(
      infer("Squeeze", with("axes", std::vector<int64_t>{0}), {fact(kF32, "2")}).status.is_ok());
}

// The chain that exporters write to join extents: Shape, Gather, Unsqueeze, Concat.
TEST(Contents, FollowAShapeChain) {
  const Inferred shape = infer("Shape", {}, {fact(kF32, "batch, seq, 768")});
  EXPECT_EQ(shape.contents(), "[batch, seq, 768]");
  const Fact extents = {DataType::kInt64, {3}, shape.outputs[0].contents, nullptr};
  const Inferred one = infer("Gather", {}, {extents, constant_fact(int64s({}, {-2}))});
  EXPECT_EQ(one.shape(), "[]");
  EXPECT_EQ(one.contents(), "[seq]");
  const Fact scalar = {DataType::kInt64, {}, one.outputs[0].contents, nullptr};
  const Inferred list = infer("Unsqueeze", with("axes", std::vector<int64_t>{0}), {scalar});
  EXPECT_EQ(list.contents(), "[seq]");
  const Fact item = {DataType::kInt64, {1}, list.outputs[0].contents, nullptr};
  const Inferred joined = infer("Concat", with("axis", int64_t{0}),
                                {contents_fact("batch"), item, constant_fact(int64s({1}, {-1}))});
  EXPECT_EQ(joined.contents(), "[batch, seq, -1]");
}

TEST(Contents, FollowShapesStartAndEnd) {
  ir::Attributes attributes = with("start", int64_t{-2});
  attributes.set("end", int64_t{100});
  EXPECT_EQ(infer("Shape", attributes, {fact(kF32, "batch, seq, 8")}).contents(), "[seq, 8]");
  EXPECT_EQ(infer("Size", {}, {fact(kF32, "batch, seq, 8")}).contents(), "[8*batch*seq]");
}

TEST(Contents, FollowSlices) {
  ir::Attributes attributes = with("starts", std::vector<int64_t>{-1});
  attributes.set("ends", std::vector<int64_t>{INT64_MIN});
  attributes.set("steps", std::vector<int64_t>{-2});
  EXPECT_EQ(infer("Slice", attributes, {contents_fact("a, b, c")}).contents(), "[c, a]");
}

TEST(Contents, FollowSplitTileExpandAndFill) {
  const Inferred split = infer("Split", with("axis", int64_t{0}), {contents_fact("a, b, c, d")}, 2);
  EXPECT_EQ(split.contents(0), "[a, b]");
  EXPECT_EQ(split.contents(1), "[c, d]");
  EXPECT_EQ(
      infer("Tile", with("repeats", std::vector<int64_t>{2}), {contents_fact("a, b")}).contents(),
      "[a, b, a, b]");
  EXPECT_EQ(infer("Expand", with("shape", dims("3")), {contents_fact("a")}).contents(),
            "[a, a, a]");
  ir::Attributes ones = with("dtype", static_cast<int64_t>(DataType::kInt64));
  ones.set("value", int64_t{1});
  EXPECT_EQ(infer("ConstantOfShape", ones, {contents_fact("2")}).contents(), "[1, 1]");
}

// How PyTorch turns its padding lists around: reshape to pairs, reverse, transpose, flatten.
TEST(Contents, FollowPyTorchsPadding) {
  const Fact pads = {DataType::kInt64, {2, 2}, dims("a, b, c, d"), nullptr};
  EXPECT_EQ(infer("Transpose", {}, {pads}).contents(), "[a, c, b, d]");
}

TEST(Contents, StopAtLargeTensors) {
  EXPECT_EQ(infer("Expand", with("shape", dims("5000")), {contents_fact("a")}).contents(),
            "unknown");
}

Inferred slice(std::string_view extent, std::string_view start, std::string_view end,
               int64_t step = 1) {
  ir::Attributes attributes = with("starts", dims(start));
  attributes.set("ends", dims(end));
  attributes.set("axes", std::vector<int64_t>{0});
  attributes.set("steps", std::vector<int64_t>{step});
  return infer("Slice", attributes, {fact(kF32, extent)});
}

TEST(SliceRule, ConstantExtents) {
  EXPECT_EQ(slice("10", "2", "5").shape(), "[3]");
  EXPECT_EQ(slice("10", "-3", "9223372036854775807").shape(), "[3]");
  EXPECT_EQ(slice("10", "5", "2").shape(), "[0]");
  EXPECT_EQ(slice("3", "5", "7").shape(), "[0]");
  EXPECT_EQ(slice("10", "-1", "-9223372036854775807", -3).shape(), "[4]");
  EXPECT_EQ(slice("10", "20", "0", -1).shape(), "[9]");
  EXPECT_FALSE(slice("10", "2", "5", 0).status.is_ok());
}

TEST(SliceRule, SymbolicExtents) {
  EXPECT_EQ(slice("seq", "0", "9223372036854775807").shape(), "[seq]");
  EXPECT_EQ(slice("seq", "0", "2147483647", 2).shape(), "[floordiv(seq + 1, 2)]");
  EXPECT_EQ(slice("2*seq", "0", "2147483647", 2).shape(), "[seq]");
  EXPECT_EQ(slice("2*seq", "1", "2147483647", 2).shape(), "[floordiv(max(2*seq - 1, 0) + 1, 2)]");
  EXPECT_EQ(slice("seq", "1", "9223372036854775807").shape(), "[max(seq - 1, 0)]");
  EXPECT_EQ(slice("seq", "0", "-1").shape(), "[max(seq - 1, 0)]");
  EXPECT_EQ(slice("seq + 1", "0", "-1").shape(), "[seq]");
  EXPECT_EQ(slice("seq + 1", "-1", "9223372036854775807").shape(), "[1]");
  EXPECT_EQ(slice("seq", "-1", "-9223372036854775807", -1).shape(), "[seq]");
  EXPECT_EQ(slice("512", "0", "seq").shape(), "[min(seq, 512)]");
  EXPECT_EQ(slice("past + seq", "past", "past + seq").shape(), "[seq]");
  EXPECT_EQ(slice("past + seq", "-seq", "9223372036854775807").shape(), "[u0]");
  EXPECT_EQ(slice("seq", "0", "a - b").shape(), "[u0]");
}

// Every length the rule writes must be what the kernel finds.
TEST(SliceRule, AgreesWithTheKernelOnASweep) {
  for (int64_t step : {1, 2, 3, -1, -2}) {
    for (int64_t start = -5; start <= 5; ++start) {
      for (int64_t end = -5; end <= 5; ++end) {
        const Inferred inferred = slice("n", std::to_string(start), std::to_string(end), step);
        ir::Attributes attributes = with("starts", std::vector<int64_t>{start});
        attributes.set("ends", std::vector<int64_t>{end});
        attributes.set("steps", std::vector<int64_t>{step});
        for (int64_t n = 0; n < 5; ++n) {
          const auto y = reference({"Slice", attributes, {random_tensor(kF32, {n}, 1)}});
          const int64_t length =
              inferred.outputs[0].shape[0].evaluate([n](std::string_view) { return n; });
          EXPECT_EQ(length, y[0].shape[0])
              << n << " [" << start << ":" << end << ":" << step << "] " << inferred.shape();
        }
      }
    }
  }
}

TEST(ConcatRule, AddsExtentsAndChecksTheOthers) {
  const auto concat = [](std::string_view a, std::string_view b) {
    return infer("Concat", with("axis", int64_t{1}), {fact(kF32, a), fact(kF32, b)});
  };
  EXPECT_EQ(concat("batch, past, 8", "batch, 1, 8").shape(), "[batch, past + 1, 8]");
  EXPECT_EQ(concat("n, 3", "4, 2").shape(), "[4, 5]");
  EXPECT_FALSE(concat("3, 3", "4, 2").status.is_ok());
  EXPECT_FALSE(concat("3, 3", "3, 2, 1").status.is_ok());
}

TEST(SplitRule, SizesFromListOrCount) {
  const auto equal = [](std::string_view shape, size_t parts, bool smaller) {
    ir::Attributes attributes;
    if (smaller) attributes.set("num_outputs", static_cast<int64_t>(parts));
    return infer("Split", attributes, {fact(kF32, shape)}, parts);
  };
  EXPECT_EQ(equal("3*n", 3, false).shape(2), "[n]");
  EXPECT_EQ(equal("7", 3, true).shape(0), "[3]");
  EXPECT_EQ(equal("7", 3, true).shape(2), "[1]");
  EXPECT_FALSE(equal("7", 3, false).status.is_ok());
  const Inferred listed = infer("Split", with("split", dims("n, 2")), {fact(kF32, "n + 2")}, 2);
  EXPECT_EQ(listed.shape(0), "[n]");
  EXPECT_EQ(listed.shape(1), "[2]");
}

TEST(OtherRules, PadExpandTileRange) {
  EXPECT_EQ(infer("Pad", with("pads", dims("0, 1, 0, n")), {fact(kF32, "b, s")}).shape(),
            "[b, n + s + 1]");
  EXPECT_EQ(infer("Expand", with("shape", dims("b, 1, s")), {fact(kF32, "4, 1")}).shape(),
            "[b, 4, s]");
  EXPECT_EQ(infer("Tile", with("repeats", dims("b, 2")), {fact(kF32, "s, 3")}).shape(), "[b*s, 6]");
  const auto scalar = [](std::string_view value) {
    return Fact{DataType::kInt64, {}, dims(value), nullptr};
  };
  EXPECT_EQ(infer("Range", {}, {scalar("0"), scalar("seq"), scalar("1")}).shape(), "[seq]");
  EXPECT_EQ(infer("Range", {}, {scalar("0"), scalar("seq"), scalar("2")}).shape(),
            "[floordiv(seq + 1, 2)]");
  EXPECT_EQ(infer("Range", {}, {scalar("5"), scalar("0"), scalar("-2")}).contents(), "[5, 3, 1]");
  EXPECT_EQ(infer("Range", {}, {scalar("past"), scalar("past + 2"), scalar("1")}).contents(),
            "[past, past + 1]");
  EXPECT_FALSE(infer("Tile", with("repeats", dims("-1, -1")), {fact(kF32, "2, 2")}).status.is_ok());
  EXPECT_FALSE(infer("Tile", with("repeats", dims("4611686018427387904")), {fact(kF32, "4")})
                   .status.is_ok());
  const Fact real{DataType::kFloat32, {}, {}, nullptr};
  EXPECT_FALSE(infer("Range", {}, {scalar("0"), real, scalar("1")}).status.is_ok());
  EXPECT_FALSE(
      infer("Pad", with("pads", dims("1, 1")), {fact(kF32, "4"), Fact{}, fact(DataType::kInt8, "")})
          .status.is_ok());
  // A size whose square is 0 in 64 bits divides nothing.
  EXPECT_FALSE(
      infer("DepthToSpace", with("blocksize", int64_t{1} << 32), {fact(kF32, "1, 4, 2, 2")})
          .status.is_ok());
  const auto float_scalar = [](double value) { return constant_fact(floats({}, {value})); };
  EXPECT_EQ(infer("Range", {}, {float_scalar(0), float_scalar(1), float_scalar(0.25)}).shape(),
            "[4]");
}

}  // namespace
}  // namespace penstock::ops::test
