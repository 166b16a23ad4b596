// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>
#include <optional>

#include "ops/ml/ml.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// x, keys [n], values [n], default [1] -> for each element of x the value of its key.
Status infer_label_encoder(InferContext& context) {
  if (context.dtype(0) != context.dtype(1)) {
    return context.error("x is " + std::string(to_string(context.dtype(0))) + ", its keys are " +
                         std::string(to_string(context.dtype(1))));
  }
  if (context.dtype(2) != context.dtype(3)) {
    return context.error("values are " + std::string(to_string(context.dtype(2))) +
                         ", the default is " + std::string(to_string(context.dtype(3))));
  }
  if (context.rank(1) != 1 || context.rank(2) != 1)
    return context.error("keys and values are lists");
  context.set_output(0, context.dtype(2), context.shape(0));
  return Status::ok();
}

// Where each key stands, the last of equal ones; every NaN is one key.
template <typename T>
class Positions {
 public:
  using Key = Compute<T>;

  Positions(const T* keys, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const Key key = static_cast<Key>(keys[i]);
      if (key != key) {
        nan_ = i;
      } else {
        positions_[key] = i;
      }
    }
  }

  // -1 where it is no key.
  int64_t of(T element) const {
    const Key key = static_cast<Key>(element);
    if (key != key) return nan_;
    const auto found = positions_.find(key);
    return found == positions_.end() ? -1 : found->second;
  }

 private:
  std::map<Key, int64_t> positions_;
  int64_t nan_ = -1;
};

class StringPositions {
 public:
  StringPositions(const StringRef* keys, int64_t count) {
    for (int64_t i = 0; i < count; ++i) positions_[keys[i].view()] = i;
  }
  int64_t of(const StringRef& element) const {
    const auto found = positions_.find(element.view());
    return found == positions_.end() ? -1 : found->second;
  }

 private:
  std::map<std::string_view, int64_t> positions_;
};

// For each element of x the place of its key; -1 where it is none.
template <typename T, typename Places>
std::vector<int64_t> find_places(const KernelRun& run) {
  const TensorView& x = run.input(0);
  const Places positions(run.input(1).as<const T>(), run.input(1).count());
  std::vector<int64_t> places;
  for (int64_t i = 0; i < x.count(); ++i) places.push_back(positions.of(x.as<const T>()[i]));
  return places;
}

Status run_label_encoder(const NodeFacts&, KernelRun& run) {
  const TensorView& x = run.input(0);
  const int64_t count = run.input(1).count();
  if (run.input(2).count() != count || run.input(3).count() != 1) {
    return {StatusCode::kInvalidArgument, std::to_string(count) + " keys for " +
                                              std::to_string(run.input(2).count()) +
                                              " values, and one default must be there"};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const int64_t n = x.count();
  std::vector<int64_t> places;
  if (x.dtype == DataType::kString) {
    places = find_places<StringRef, StringPositions>(run);
  } else {
    PENSTOCK_RETURN_IF_ERROR(dispatch(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      places = find_places<T, Positions<T>>(run);
      return Status::ok();
    }));
  }
  return dispatch_size(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* values = run.input(2).as<const T>();
    const T otherwise = *run.input(3).as<const T>();
    for (int64_t i = 0; i < n; ++i) {
      y.as<T>()[i] = places[i] < 0 ? otherwise : values[places[i]];
    }
    return Status::ok();
  });
}

}  // namespace

const OpDefinition kLabelEncoder = {.name = "LabelEncoder",
                                    .min_inputs = 4,
                                    .max_inputs = 4,
                                    .infer = infer_label_encoder,
                                    .reference = run_label_encoder};

}  // namespace penstock::ops
