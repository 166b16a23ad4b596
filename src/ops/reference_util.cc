// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/reference_util.h"

namespace penstock::ops {

std::vector<int64_t> read_int64s(const backends::TensorView& view) {
  std::vector<int64_t> values;
  if (view.data == nullptr) return values;
  const int64_t count = view.count();
  const Status status = dispatch(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) {
      const T* data = view.as<const T>();
      values.assign(data, data + count);
    }
    return Status::ok();
  });
  if (!status.is_ok()) values.clear();
  return values;
}

std::vector<int64_t> ints_parameter(const backends::NodeFacts& node, const backends::KernelRun& run,
                                    std::string_view attribute, size_t i) {
  if (node.attributes.has(attribute)) return node.attributes.get_ints(attribute);
  if (!run.has_input(i)) return {};
  return read_int64s(run.input(i));
}

}  // namespace penstock::ops
