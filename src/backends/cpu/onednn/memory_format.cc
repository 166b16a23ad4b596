// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn/memory_format.h"

#include <oneapi/dnnl/dnnl_debug.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace penstock::backends::onednn {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

// oneDNN's tags by name. Tensors of one axis have "a", of twelve "abcdefghijkl".
const std::unordered_map<std::string, Tag>& tags_by_name() {
  static const auto kTags = [] {
    std::unordered_map<std::string, Tag> tags;
    for (int i = dnnl_format_tag_any + 1; i < dnnl_format_tag_last; ++i) {
      tags.emplace(dnnl_fmt_tag2str(static_cast<dnnl_format_tag_t>(i)), static_cast<Tag>(i));
    }
    return tags;
  }();
  return kTags;
}

constexpr Tag kPlainTags[] = {Tag::a, Tag::ab, Tag::abc, Tag::abcd, Tag::abcde, Tag::abcdef};
constexpr Tag kChannelsLastTags[] = {Tag::nwc, Tag::nhwc, Tag::ndhwc};
constexpr Tag kBlocked8Tags[] = {Tag::nCw8c, Tag::nChw8c, Tag::nCdhw8c};
constexpr Tag kBlocked16Tags[] = {Tag::nCw16c, Tag::nChw16c, Tag::nCdhw16c};

Tag spatial_tag(ir::Layout layout, size_t rank) {
  switch (layout) {
    case ir::Layout::kPlain: return kPlainTags[rank - 1];
    case ir::Layout::kChannelsLast: return kChannelsLastTags[rank - 3];
    case ir::Layout::kBlocked8: return kBlocked8Tags[rank - 3];
    case ir::Layout::kBlocked16: return kBlocked16Tags[rank - 3];
  }
  return Tag::undef;
}

}  // namespace

Result<memory::data_type> data_type_of(DataType type) {
  switch (type) {
    case DataType::kFloat32: return memory::data_type::f32;
    case DataType::kFloat16: return memory::data_type::f16;
    case DataType::kBFloat16: return memory::data_type::bf16;
    case DataType::kInt32: return memory::data_type::s32;
    case DataType::kInt8: return memory::data_type::s8;
    case DataType::kUInt8: return memory::data_type::u8;
    default:
      return Status(StatusCode::kUnsupported,
                    "oneDNN has no elements of type " + std::string(to_string(type)));
  }
}

Result<memory::desc> describe(DataType type, const Shape& shape, ir::Layout layout) {
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type data_type, data_type_of(type));
  const size_t rank = shape.size();
  const bool is_plain = layout == ir::Layout::kPlain;
  if (rank < (is_plain ? 1 : 3) || rank > (is_plain ? std::size(kPlainTags) : 5)) {
    return Status(StatusCode::kUnsupported, "oneDNN: a tensor of rank " + std::to_string(rank) +
                                                " in layout " + std::string(ir::to_string(layout)));
  }
  return guarded([&] { return memory::desc(shape, data_type, spatial_tag(layout, rank)); });
}

Result<memory::desc> describe(const Operand& operand) {
  return describe(operand.dtype, operand.shape, operand.layout);
}

memory::desc plain_desc(const Shape& shape, memory::data_type type) {
  return {shape, type, kPlainTags[shape.size() - 1]};
}

std::string format_name(const memory::desc& desc) {
  const memory::dims strides = desc.get_strides();
  const memory::dims blocks = desc.get_inner_blks();
  const memory::dims axes = desc.get_inner_idxs();
  const memory::dims padded = desc.get_padded_dims();
  // Outer axes by falling stride; of equal strides the longer one is outside.
  std::vector<int64_t> outer(desc.get_dims());
  for (size_t i = 0; i < outer.size(); ++i) outer[i] = padded[i];
  for (size_t i = 0; i < blocks.size(); ++i) outer[axes[i]] /= blocks[i];
  std::vector<size_t> order(strides.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) {
    return strides[x] != strides[y] ? strides[x] > strides[y] : outer[x] > outer[y];
  });
  std::string name;
  for (size_t axis : order) {
    const bool is_blocked = std::find(axes.begin(), axes.end(), axis) != axes.end();
    name += static_cast<char>((is_blocked ? 'A' : 'a') + axis);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    name += std::to_string(blocks[i]);
    name += static_cast<char>('a' + axes[i]);
  }
  const auto matches = [&](Tag tag) {
    const memory::desc candidate(desc.get_dims(), desc.get_data_type(), tag, true);
    return candidate && candidate == desc;
  };
  const auto& tags = tags_by_name();
  const auto found = tags.find(name);
  if (found != tags.end() && matches(found->second)) return name;
  // Axes of one element leave the order open: any name that describes the same memory will do.
  for (const auto& [other, tag] : tags) {
    if (matches(tag)) return other;
  }
  return "";
}

Result<memory::desc> describe_format(DataType type, const Shape& shape, const std::string& format) {
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type data_type, data_type_of(type));
  const auto found = tags_by_name().find(format);
  if (found == tags_by_name().end()) {
    return Status(StatusCode::kInvalidPlan, "oneDNN has no memory format '" + format + "'");
  }
  return guarded([&] { return memory::desc(shape, data_type, found->second); });
}

}  // namespace penstock::backends::onednn
