// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "backends/cpu/cpu_stream.h"
#include "ops/movement/movement.h"
#include "ops/movement/tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

constexpr int64_t kTaskBytes = 32 * 1024;  // what is worth a thread's start

// Each row is a run of kept elements and a run of zeros.
class TriluKernel : public Kernel {
 public:
  explicit TriluKernel(const NodeFacts& node)
      : node_(node),
        size_(static_cast<int64_t>(size_of(node.inputs[0].dtype))),
        upper_(node.attributes.get_int("upper", 1) != 0) {}

  Status run(KernelRun& run) const override {
    const TensorView& x = run.input(0);
    const int64_t k = scalar_parameter(node_, run, "k", 1, 0);
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
    const int64_t columns = x.shape->back();
    const int64_t rows = (*x.shape)[x.shape->size() - 2];
    if (x.count() == 0) return Status::ok();
    const int64_t grain = std::max<int64_t>(1, kTaskBytes / (columns * size_));
    const int64_t reach = std::clamp(k, -rows - 1, columns + 1);
    backends::team_of(run.stream())
        .parallel_for(x.count() / columns, grain, [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            // Columns before `edge` lie below the diagonal (upper), or on it and below (lower).
            const int64_t edge =
                std::clamp<int64_t>(row % rows + reach + (upper_ ? 0 : 1), 0, columns);
            const std::byte* from = x.as<const std::byte>() + row * columns * size_;
            std::byte* to = y.as<std::byte>() + row * columns * size_;
            write(from, to, edge, !upper_);
            write(from + edge * size_, to + edge * size_, columns - edge, upper_);
          }
        });
    return Status::ok();
  }

 private:
  void write(const std::byte* from, std::byte* to, int64_t count, bool keep) const {
    const auto bytes = static_cast<size_t>(count * size_);
    if (!keep) {
      std::memset(to, 0, bytes);
    } else if (from != to) {
      std::memcpy(to, from, bytes);
    }
  }

  NodeFacts node_;
  int64_t size_;
  bool upper_;
};

class TriluTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.trilu"; }
  Offer offer(const NodeFacts& node) const override {
    if (size_of(node.inputs[0].dtype) == 0) return Offer::refuse("elements have no fixed size");
    return Offer::plain(node);
  }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    return std::unique_ptr<Kernel>(std::make_unique<TriluKernel>(node));
  }
  bool can_run_in_place(const NodeFacts&, size_t input) const override { return input == 0; }
};

}  // namespace

const backends::Tactic& simd_trilu() {
  static const TriluTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
