// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/launch_math.cuh"
#include "ops/movement/movement_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

template <typename Mode>
struct PadKernel {
  PadArguments a;
  typename Mode::Division extents[kMaxMoveAxes];
  typename Mode::Index items = 0;
};

// As padded_source has it: the place inside [0, count) that `place` shows, -1 for the constant.
__device__ inline int64_t folded(int64_t place, int64_t count, DevicePadMode mode) {
  if (place >= 0 && place < count) return place;
  if (mode == DevicePadMode::kConstant) return -1;
  if (mode == DevicePadMode::kEdge) return place < 0 ? 0 : count - 1;
  if (mode == DevicePadMode::kWrap) return (place % count + count) % count;
  if (count == 1) return 0;
  const int64_t period = 2 * (count - 1);
  const int64_t within = (place % period + period) % period;
  return within < period - within ? within : period - within;
}

template <typename T, int Width, typename Mode>
__global__ void pad_items(const __grid_constant__ PadKernel<Mode> kernel) {
  using Index = typename Mode::Index;
  using Item = Pack<T, Width>;
  const PadArguments& a = kernel.a;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= kernel.items) return;
  Index rest = i;
  int64_t from = 0;
  bool inside = true;
  for (int d = a.axes - 1; d >= 0; --d) {
    const auto place = static_cast<int64_t>(kernel.extents[d].split(rest));
    const int64_t source = folded(place - a.begin[d], a.count[d], a.mode);
    inside = inside && source >= 0;
    from += (a.first[d] + source) * a.x_strides[d];
  }
  Item item;
  if (inside) {
    item = static_cast<const Item*>(a.x)[from];
  } else {
    const T value = a.value == nullptr ? T{} : *static_cast<const T*>(a.value);
#pragma unroll
    for (int k = 0; k < Width; ++k) item.at[k] = value;
  }
  static_cast<Item*>(a.y)[i] = item;
}

template <typename T, int Width, typename Mode>
void launch(const PadArguments& a, int64_t items, cudaStream_t stream) {
  PadKernel<Mode> kernel;
  kernel.a = a;
  kernel.items = static_cast<typename Mode::Index>(items);
  for (int d = 0; d < a.axes; ++d) kernel.extents[d] = typename Mode::Division(a.extents[d]);
  const auto blocks = static_cast<unsigned>((items + 255) / 256);
  pad_items<T, Width, Mode><<<blocks, 256, 0, stream>>>(kernel);
}

// The arguments in units of 16 bytes, where the innermost axis is not padded.
bool widen(PadArguments& a, size_t size) {
  const int last = a.axes - 1;
  const auto width = static_cast<int64_t>(16 / size);
  bool fits = !a.is_padded(last) && a.x_strides[last] == 1 && a.extents[last] % width == 0 &&
              is_aligned(a.x, 16) && is_aligned(a.y, 16);
  for (int d = 0; d < last; ++d) fits = fits && a.x_strides[d] % width == 0;
  if (!fits) return false;
  a.extents[last] /= width;
  a.count[last] /= width;
  for (int d = 0; d < last; ++d) a.x_strides[d] /= width;
  return true;
}

}  // namespace

void launch_pad(const PadArguments& arguments, size_t element_bytes, cudaStream_t stream) {
  PadArguments a = arguments;
  const bool wide = widen(a, element_bytes);
  int64_t items = 1;
  for (int d = 0; d < a.axes; ++d) items *= a.extents[d];
  if (items == 0) return;
  dispatch_size(element_bytes, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
    if (fits_32_bits(items)) {
      wide ? launch<T, kWidth, Narrow>(a, items, stream) : launch<T, 1, Narrow>(a, items, stream);
    } else {
      wide ? launch<T, kWidth, Wide>(a, items, stream) : launch<T, 1, Wide>(a, items, stream);
    }
  });
}

}  // namespace penstock::ops
