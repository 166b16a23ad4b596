// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/tensor.h>

#include <cstring>
#include <new>

namespace penstock {

Tensor::Tensor(DataType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  constexpr std::align_val_t kAlignment{64};
  const size_t size = bytes() == 0 ? 64 : bytes();
  data_ = std::shared_ptr<void>(::operator new(size, kAlignment),
                                [](void* p) { ::operator delete(p, kAlignment); });
  std::memset(data_.get(), 0, size);
}

}  // namespace penstock
