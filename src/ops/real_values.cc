// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/real_values.h"

#include "ops/reference_util.h"

namespace penstock::ops {

std::vector<double> read_reals(const backends::TensorView& view) {
  std::vector<double> values;
  if (view.data == nullptr) return values;
  values.resize(static_cast<size_t>(view.count()));
  const Status status = dispatch(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = view.as<const T>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = to_real(data[i]);
    return Status::ok();
  });
  if (!status.is_ok()) values.clear();
  return values;
}

Status write_reals(const std::vector<double>& values, const backends::TensorView& view) {
  return dispatch(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* data = view.as<T>();
    for (size_t i = 0; i < values.size(); ++i) data[i] = from_real<T>(values[i]);
    return Status::ok();
  });
}

}  // namespace penstock::ops
