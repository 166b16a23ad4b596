// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/indexing/indexing.h"
#include "ops/indexing/tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

template <typename T>
bool is_set(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return (value.bits & 0x7fffu) != 0;
  } else {
    return value != T(0);
  }
}

// Counts first, so that the output is asked for once and nothing else is allocated.
template <typename T>
Status non_zero(KernelRun& run) {
  const TensorView& x = run.input(0);
  const T* data = x.as<const T>();
  const int64_t total = x.count();
  const auto rank = static_cast<int64_t>(x.shape->size());
  int64_t count = 0;
  for (int64_t i = 0; i < total; ++i) count += is_set(data[i]) ? 1 : 0;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, {rank, count}));
  if (rank == 0 || count == 0) return Status::ok();
  // Flat places go to the last row; the other rows then take their coordinate out of it.
  int64_t* flat = y.as<int64_t>() + (rank - 1) * count;
  int64_t found = 0;
  for (int64_t i = 0; found < count; ++i) {
    flat[found] = i;
    found += is_set(data[i]) ? 1 : 0;
  }
  if (rank == 1) return Status::ok();
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = flat[i];
    for (int64_t d = rank - 1; d >= 0; --d) {
      y.as<int64_t>()[d * count + i] = rest % (*x.shape)[d];
      rest /= (*x.shape)[d];
    }
  }
  return Status::ok();
}

class NonZeroKernel : public Kernel {
 public:
  Status run(KernelRun& run) const override {
    return dispatch(run.input(0).dtype,
                    [&](auto tag) { return non_zero<typename decltype(tag)::type>(run); });
  }
};

class NonZeroTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.non_zero"; }
  bool finds_output_shapes() const override { return true; }
  Offer offer(const NodeFacts& node) const override { return Offer::plain(node); }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts&) const override {
    return std::unique_ptr<Kernel>(std::make_unique<NonZeroKernel>());
  }
};

}  // namespace

const backends::Tactic& simd_non_zero() {
  static const NonZeroTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
