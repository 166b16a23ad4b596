// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cudnn_key.h"

#include <bit>

#include "backends/cuda/cuda_backend.h"

namespace penstock::backends::cuda {
namespace {

// A description as text, for the key of its device code.
class Origin {
 public:
  Origin& add(int64_t value) {
    text_ += std::to_string(value) + ',';
    return *this;
  }
  Origin& add(float value) { return add(static_cast<int64_t>(std::bit_cast<uint32_t>(value))); }
  Origin& add(const std::vector<int64_t>& values) {
    for (int64_t value : values) add(value);
    text_ += ';';
    return *this;
  }
  Origin& add(const CudnnTensor& tensor) {
    return add(static_cast<int64_t>(tensor.dtype)).add(tensor.shape).add(tensor.strides);
  }
  Origin& add(const CudnnEpilogue& epilogue) {
    return add(int64_t{epilogue.has_bias})
        .add(int64_t{epilogue.has_residual})
        .add(static_cast<int64_t>(epilogue.activation))
        .add(epilogue.low)
        .add(epilogue.high);
  }
  CodeKey key(std::string_view kind, int index) const {
    return CodeKey::of("cudnn sm_" + std::to_string(compute_capability()) + ' ' +
                       std::string(kind) + ' ' + std::to_string(index) + ' ' + text_);
  }

 private:
  std::string text_;
};

}  // namespace

CodeKey cudnn_key(const CudnnConvolution& c, int engine) {
  Origin origin;
  origin.add(c.x).add(c.w).add(c.y).add(c.epilogue).add(int64_t{c.tf32});
  origin.add(c.pads_begin).add(c.pads_end).add(c.strides).add(c.dilations);
  if (c.quantization) {
    const CudnnQuantization& q = *c.quantization;
    origin.add(int64_t{q.has_scale_for_each}).add(static_cast<int64_t>(q.residual));
    origin.add(q.residual_scale).add(q.y_scale);
  }
  return origin.key("convolution", engine);
}

CodeKey cudnn_key(const CudnnMatMul& m, int engine) {
  return Origin().add(m.a).add(m.b).add(m.y).add(m.epilogue).key("product", engine);
}

CodeKey cudnn_key(const CudnnAttention& a, int engine) {
  Origin origin;
  origin.add(a.q).add(a.k).add(a.v).add(a.out).add(int64_t{a.has_mask}).add(a.mask);
  return origin.add(a.scale).add(int64_t{a.causal}).key("attention", engine);
}

}  // namespace penstock::backends::cuda
