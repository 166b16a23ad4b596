// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <limits>

#include "backends/cpu/cpu_stream.h"
#include "ops/facts_run.h"
#include "ops/indexing/indexing.h"
#include "ops/indexing/tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

constexpr int64_t kTaskElements = 8192;  // what is worth a thread's start

template <typename C>
struct Entry {
  C value;
  int32_t index;
};

// A total order: the better value first, of equal ones the lower index.
template <typename C, bool Largest>
struct Before {
  bool operator()(const Entry<C>& a, const Entry<C>& b) const {
    if (is_better(a.value, b.value, Largest)) return true;
    if (is_better(b.value, a.value, Largest)) return false;
    return a.index < b.index;
  }
};

// The k best of n entries, in order, at the front.
template <typename C, typename Order>
void select(Entry<C>* entries, int64_t n, int64_t k, Order order) {
  if (k < n) std::nth_element(entries, entries + k, entries + n, order);
  std::sort(entries, entries + k, order);
}

// A line of x is elements `step` apart. `entries` has room for all of them.
template <typename T, bool Largest>
int64_t collect(const T* x, int64_t n, int64_t step, int64_t k, Entry<Compute<T>>* entries) {
  using C = Compute<T>;
  const Before<C, Largest> order;
  if (k > n / 8) {
    for (int64_t i = 0; i < n; ++i) {
      entries[i] = {static_cast<C>(x[i * step]), static_cast<int32_t>(i)};
    }
    return n;
  }
  // Few of many: keep twice k candidates, and let a value in only where it beats the worst of the
  // best k so far.
  int64_t held = 0;
  bool full = false;
  C bound{};
  for (int64_t i = 0; i < n; ++i) {
    const C value = static_cast<C>(x[i * step]);
    if (full && (Largest ? value <= bound : value >= bound)) continue;  // false for NaN
    entries[held++] = {value, static_cast<int32_t>(i)};
    if (held < 2 * k) continue;
    std::nth_element(entries, entries + k - 1, entries + held, order);
    bound = entries[k - 1].value;
    held = k;
    full = true;
  }
  return held;
}

class TopKKernel : public Kernel {
 public:
  TopKKernel(TopKFacts facts, bool largest, size_t entry_bytes, int threads)
      : facts_(std::move(facts)), largest_(largest), threads_(threads) {
    const int64_t entries = std::max<int64_t>(1, facts_.extent);
    line_bytes_ = (static_cast<size_t>(entries) * entry_bytes + 63) / 64 * 64;
  }

  size_t workspace_bytes() const override { return line_bytes_ * static_cast<size_t>(threads_); }

  Status run(KernelRun& run) const override {
    return dispatch(run.input(0).dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      return largest_ ? top_k<T, true>(run) : top_k<T, false>(run);
    });
  }

 private:
  template <typename T, bool Largest>
  Status top_k(KernelRun& run) const {
    T* values = nullptr;
    int64_t* indices = nullptr;
    if (run.has_output(0)) {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, facts_.shape));
      values = y.as<T>();
    }
    if (run.has_output(1)) {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(1, facts_.shape));
      indices = y.as<int64_t>();
    }
    if (facts_.k == 0) return Status::ok();
    const T* x = run.input(0).as<const T>();
    std::atomic<int> next{0};  // each share of the lines takes a piece of the workspace
    const int64_t lines = facts_.outer * facts_.inner;
    const int64_t fewest = (lines + threads_ - 1) / threads_;
    const int64_t grain = std::max(fewest, kTaskElements / std::max<int64_t>(1, facts_.extent));
    backends::team_of(run.stream()).parallel_for(lines, grain, [&](int64_t begin, int64_t end) {
      auto* entries = reinterpret_cast<Entry<Compute<T>>*>(
          static_cast<std::byte*>(run.workspace()) + line_bytes_ * next.fetch_add(1));
      for (int64_t line = begin; line < end; ++line) {
        one_line<T, Largest>(x, line, entries, values, indices);
      }
    });
    return Status::ok();
  }

  template <typename T, bool Largest>
  void one_line(const T* x, int64_t line, Entry<Compute<T>>* entries, T* values,
                int64_t* indices) const {
    const int64_t o = line / facts_.inner;
    const int64_t i = line % facts_.inner;
    const T* from = x + o * facts_.extent * facts_.inner + i;
    const int64_t held = collect<T, Largest>(from, facts_.extent, facts_.inner, facts_.k, entries);
    select(entries, held, facts_.k, Before<Compute<T>, Largest>());
    for (int64_t n = 0; n < facts_.k; ++n) {
      const int64_t to = (o * facts_.k + n) * facts_.inner + i;
      if (values != nullptr) values[to] = from[entries[n].index * facts_.inner];
      if (indices != nullptr) indices[to] = entries[n].index;
    }
  }

  TopKFacts facts_;
  bool largest_;
  int threads_;
  size_t line_bytes_;
};

size_t entry_bytes(DataType dtype) {
  size_t bytes = 0;
  const Status status = dispatch(dtype, [&](auto tag) {
    bytes = sizeof(Entry<Compute<typename decltype(tag)::type>>);
    return Status::ok();
  });
  return status.is_ok() ? bytes : 0;
}

class TopKTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.top_k"; }

  Offer offer(const NodeFacts& node) const override {
    if (!known_k(node)) return Offer::refuse("k is known at the run only");
    const Result<TopKFacts> facts = facts_of(node);
    if (!facts.is_ok()) return Offer::refuse(facts.status().message());
    if (facts->extent > std::numeric_limits<int32_t>::max()) {
      return Offer::refuse("counts places in 32 bits");
    }
    if (entry_bytes(node.inputs[0].dtype) == 0) return Offer::refuse("elements do not compare");
    return Offer::plain(node);
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(TopKFacts facts, facts_of(node));
    return std::unique_ptr<Kernel>(
        std::make_unique<TopKKernel>(std::move(facts), node.attributes.get_int("largest", 1) != 0,
                                     entry_bytes(node.inputs[0].dtype), std::max(1, node.threads)));
  }

 private:
  static bool known_k(const NodeFacts& node) {
    return node.attributes.has("k") || (node.has_input(1) && node.inputs[1].data != nullptr);
  }
  static Result<TopKFacts> facts_of(const NodeFacts& node) {
    return top_k_facts(node, FactsRun(node));
  }
};

}  // namespace

const backends::Tactic& simd_top_k() {
  static const TopKTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
