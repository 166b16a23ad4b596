// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/shapes.h"

#include <charconv>

namespace penstock::cli {
namespace {

Status wrong(std::string_view text) {
  return {StatusCode::kInvalidArgument,
          "'" + std::string(text) + "' is not NAME:1x3x224x224[,NAME:...]"};
}

Result<Shape> parse_extents(std::string_view text, std::string_view whole) {
  Shape shape;
  while (!text.empty()) {
    int64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent < 0) return wrong(whole);
    shape.push_back(extent);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.empty()) break;
    if (text.front() != 'x' || text.size() == 1) return wrong(whole);
    text.remove_prefix(1);
  }
  return shape;
}

}  // namespace

Result<std::map<std::string, Shape>> parse_shapes(std::string_view text) {
  std::map<std::string, Shape> shapes;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    // The last colon: names may hold some ("input:0").
    const size_t colon = item.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return wrong(text);
    PENSTOCK_ASSIGN_OR_RETURN(Shape shape, parse_extents(item.substr(colon + 1), text));
    if (!shapes.emplace(item.substr(0, colon), std::move(shape)).second) {
      return Status(StatusCode::kInvalidArgument, "'" + std::string(item.substr(0, colon)) +
                                                      "' stands twice in '" + std::string(text) +
                                                      "'");
    }
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return shapes;
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (int64_t extent : shape) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text.empty() ? "scalar" : text;
}

}  // namespace penstock::cli
