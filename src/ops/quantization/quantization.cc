// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/quantization/quantization.h"

#include "base/small_types.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

Status do_not_fit(const std::string& x, const std::string& scale, const std::string& why) {
  return {StatusCode::kInvalidArgument,
          "scales of shape " + scale + " do not fit a tensor of shape " + x + ": " + why};
}

Result<int64_t> axis_of(const ir::Attributes& attributes, size_t rank) {
  return InferContext::normalize_axis(attributes.get_int("axis", 1), static_cast<int64_t>(rank));
}

}  // namespace

Result<ScaleMap> scale_map(const ir::Attributes& attributes, const Shape& x, const Shape& scale) {
  const auto misfit = [&](const std::string& why) {
    return do_not_fit(to_string(x), to_string(scale), why);
  };
  const int64_t block = attributes.get_int("block_size");
  ScaleMap map;
  if (scale.empty() || (scale == Shape{1} && block == 0)) {
    map.inner = element_count(x);
    return map;
  }
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(attributes, x.size()));
  map.outer = element_count(Shape(x.begin(), x.begin() + axis));
  map.extent = x[axis];
  map.inner = element_count(Shape(x.begin() + axis + 1, x.end()));
  if (block == 0) {
    if (scale.size() != 1 || scale[0] != map.extent) {
      return misfit("axis " + std::to_string(axis) + " needs " + std::to_string(map.extent));
    }
    map.block_stride = 1;
    return map;
  }
  Shape blocks = x;
  blocks[axis] = map.extent / block + (map.extent % block != 0 ? 1 : 0);
  if (scale != blocks) return misfit("its blocks are " + to_string(blocks));
  map.block = block;
  map.outer_stride = blocks[axis] * map.inner;
  map.block_stride = map.inner;
  map.inner_stride = 1;
  return map;
}

Status check_scales(const InferContext& context) {
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& scale = context.shape(1);
  const int64_t block = context.attributes().get_int("block_size");
  if (block < 0) return context.error("block_size is " + std::to_string(block));
  if (context.has_input(2)) {
    const ir::SymbolicShape& zero_point = context.shape(2);
    const bool both_known = ir::is_constant(scale) && ir::is_constant(zero_point);
    const bool both_single = both_known && ir::element_count(scale).is_constant(1) &&
                             ir::element_count(zero_point).is_constant(1);
    if (!both_single &&
        (zero_point.size() != scale.size() || (both_known && scale != zero_point))) {
      return context.error("zero points of shape " + ir::to_string(zero_point) +
                           " for scales of shape " + ir::to_string(scale));
    }
  }
  if (scale.empty()) return Status::ok();
  if (block == 0 && scale.size() == 1 && scale[0].is_constant(1)) return Status::ok();
  const size_t rank = block == 0 ? 1 : x.size();
  if (scale.size() != rank) {
    return context.error("scales of shape " + ir::to_string(scale) + " for a tensor of shape " +
                         ir::to_string(x) + ": they need rank " + std::to_string(rank));
  }
  PENSTOCK_RETURN_IF_ERROR(axis_of(context.attributes(), x.size()).status());
  if (!ir::is_constant(x) || !ir::is_constant(scale)) return Status::ok();
  const auto extents = [](const ir::SymbolicShape& shape) {
    Shape known;
    for (const ir::Dim& extent : shape) known.push_back(extent.constant());
    return known;
  };
  const Status fit = scale_map(context.attributes(), extents(x), extents(scale)).status();
  return fit.is_ok() ? fit : context.error(fit.message());
}

std::vector<float> read_numbers(const backends::TensorView& view) {
  std::vector<float> numbers;
  if (view.data == nullptr) return numbers;
  numbers.resize(static_cast<size_t>(view.count()));
  if (is_small(view.dtype)) {
    const auto* bits = view.as<const uint8_t>();
    for (size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<float>(small_to_double(view.dtype, bits[i]));
    }
    return numbers;
  }
  const Status status = dispatch(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* elements = view.as<const T>();
    for (size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<float>(static_cast<Compute<T>>(elements[i]));
    }
    return Status::ok();
  });
  if (!status.is_ok()) numbers.clear();
  return numbers;
}

}  // namespace penstock::ops
