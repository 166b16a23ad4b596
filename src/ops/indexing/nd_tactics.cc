// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "backends/cpu/cpu_stream.h"
#include "ops/indexing/indexing.h"
#include "ops/indexing/tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

constexpr int64_t kTaskBytes = 32 * 1024;  // what is worth a thread's start

// Copies the slice of every index tuple: out of data (gather), or into it.
class NdKernel : public Kernel {
 public:
  NdKernel(const NodeFacts& node, bool scatter)
      : scatter_(scatter),
        facts_(nd_facts(node.inputs[0].shape, node.inputs[1].shape,
                        scatter ? 0 : node.attributes.get_int("batch_dims"))),
        size_(static_cast<int64_t>(size_of(node.inputs[0].dtype))),
        shape_(node.inputs[0].shape) {
    if (scatter) return;
    const Shape& indices = node.inputs[1].shape;
    const auto rest =
        shape_.begin() + node.attributes.get_int("batch_dims") + static_cast<int64_t>(facts_.depth);
    Shape gathered(indices.begin(), indices.end() - 1);
    gathered.insert(gathered.end(), rest, shape_.end());
    shape_ = std::move(gathered);
  }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_));
    const ThreadTeam& team = backends::team_of(run.stream());
    if (scatter_ && run.input(0).data != y.data) {
      const std::byte* x = run.input(0).as<const std::byte>();
      team.parallel_for(y.count() * size_, kTaskBytes, [&](int64_t begin, int64_t end) {
        std::memcpy(y.as<std::byte>() + begin, x + begin, static_cast<size_t>(end - begin));
      });
    }
    const std::byte* from = run.input(scatter_ ? 2 : 0).as<const std::byte>();
    const int64_t tuples = facts_.batches * facts_.tuples;
    const int64_t batch_bytes = element_count(facts_.limits) * facts_.slice * size_;
    const int64_t bytes = facts_.slice * size_;
    // Tuples may name one slice twice, and the last one wins: scattering keeps to their order.
    const int64_t grain = scatter_ ? tuples : std::max<int64_t>(1, kTaskBytes / (bytes + 64));
    Status status;
    team.parallel_for(tuples, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        int64_t offset = 0;
        const Status outside = offset_of(run.input(1), t, offset);
        if (!outside.is_ok()) {
#pragma omp critical(penstock_nd_status)
          status = outside;
          return;
        }
        const int64_t place = t / facts_.tuples * batch_bytes + offset * size_;
        std::memcpy(y.as<std::byte>() + (scatter_ ? place : t * bytes),
                    from + (scatter_ ? t * bytes : place), static_cast<size_t>(bytes));
      }
    });
    return status;
  }

 private:
  Status offset_of(const TensorView& indices, int64_t tuple, int64_t& offset) const {
    for (int64_t d = 0; d < facts_.depth; ++d) {
      const int64_t at = tuple * facts_.depth + d;
      int64_t index = indices.dtype == DataType::kInt32 ? indices.as<const int32_t>()[at]
                                                        : indices.as<const int64_t>()[at];
      const int64_t limit = facts_.limits[d];
      if (index < -limit || index >= limit) return index_out_of_range(index, limit);
      offset = offset * limit + (index < 0 ? index + limit : index);
    }
    offset *= facts_.slice;
    return Status::ok();
  }

  bool scatter_;
  NdFacts facts_;
  int64_t size_;
  Shape shape_;
};

class NdTactic : public backends::Tactic {
 public:
  explicit NdTactic(bool scatter) : scatter_(scatter) {}
  std::string_view name() const override { return scatter_ ? "simd.scatter_nd" : "simd.gather_nd"; }

  Offer offer(const NodeFacts& node) const override {
    const Shape& data = node.inputs[0].shape;
    const Shape& indices = node.inputs[1].shape;
    if (size_of(node.inputs[0].dtype) == 0) return Offer::refuse("elements have no fixed size");
    if (scatter_) {
      if (node.attributes.get_string("reduction", "none") != "none") {
        return Offer::refuse("writes only, without reduction");
      }
      const NdFacts facts = nd_facts(data, indices, 0);
      if (element_count(node.inputs[2].shape) != facts.tuples * facts.slice) {
        return Offer::refuse("updates do not fit the indices");
      }
    } else {
      const int64_t batch_dims = node.attributes.get_int("batch_dims");
      if (!std::equal(indices.begin(), indices.begin() + batch_dims, data.begin())) {
        return Offer::refuse("batch dimensions differ");
      }
    }
    return Offer::plain(node);
  }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    return std::unique_ptr<Kernel>(std::make_unique<NdKernel>(node, scatter_));
  }
  bool can_run_in_place(const NodeFacts&, size_t input) const override {
    return scatter_ && input == 0;
  }

 private:
  bool scatter_;
};

}  // namespace

const backends::Tactic& simd_gather_nd() {
  static const NdTactic kTactic(false);
  return kTactic;
}

const backends::Tactic& simd_scatter_nd() {
  static const NdTactic kTactic(true);
  return kTactic;
}

}  // namespace penstock::ops
