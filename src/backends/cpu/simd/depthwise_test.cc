// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/depthwise.h"

#include <gtest/gtest.h>

#include "backends/cpu/simd/simd_test_util.h"

namespace penstock::simd {
namespace {

DepthwiseArgs make_args(int64_t channels, int64_t size, int64_t kernel, int64_t stride,
                        int64_t pad) {
  DepthwiseArgs args;
  args.batch = 2;
  args.channels = channels;
  args.in_h = size;
  args.in_w = size + 3;
  args.kernel_h = args.kernel_w = kernel;
  args.stride_h = args.stride_w = stride;
  args.pad_top = args.pad_left = pad;
  args.out_h = (args.in_h + 2 * pad - kernel) / stride + 1;
  args.out_w = (args.in_w + 2 * pad - kernel) / stride + 1;
  return args;
}

// One output, tap by tap.
double expected(const DepthwiseArgs& a, const Buffer& x, const Buffer& w, const Buffer& bias,
                int64_t n, int64_t oh, int64_t ow, int64_t c) {
  double sum = bias[c];
  for (int64_t i = 0; i < a.kernel_h; ++i) {
    for (int64_t j = 0; j < a.kernel_w; ++j) {
      const int64_t ih = oh * a.stride_h - a.pad_top + i;
      const int64_t iw = ow * a.stride_w - a.pad_left + j;
      if (ih < 0 || iw < 0 || ih >= a.in_h || iw >= a.in_w) continue;
      const int64_t pixel = (n * a.in_h + ih) * a.in_w + iw;
      sum += double{x[pixel * a.channels + c]} * w[(c * a.kernel_h + i) * a.kernel_w + j];
    }
  }
  return std::max(0.0, sum);
}

void check(Isa isa, DepthwiseArgs args) {
  Buffer x(args.batch * args.in_h * args.in_w * args.channels);
  Buffer w(args.channels * args.kernel_h * args.kernel_w, -1, 1, 2);
  Buffer bias(args.channels, -1, 1, 3);
  Buffer y(args.batch * args.out_h * args.out_w * args.channels);
  std::vector<float> packed(depthwise_packed_floats(args.channels, args.kernel_h, args.kernel_w));
  depthwise_pack(w.get(), args.channels, args.kernel_h, args.kernel_w, packed.data());
  args.x = x.get();
  args.packed_w = packed.data();
  args.bias = bias.get();
  args.y = y.get();
  args.steps[0].kind = DepthwiseStepKind::kRelu;
  args.step_count = 1;
  std::vector<float> workspace(depthwise_workspace_floats(args));
  const int64_t items = depthwise_items(args);
  for (int64_t part = 0; part < 3; ++part) {
    depthwise_kernel(isa).run(args, items * part / 3, items * (part + 1) / 3, workspace.data());
  }
  ASSERT_TRUE(y.intact());
  int64_t at = 0;
  for (int64_t n = 0; n < args.batch; ++n) {
    for (int64_t oh = 0; oh < args.out_h; ++oh) {
      for (int64_t ow = 0; ow < args.out_w; ++ow) {
        for (int64_t c = 0; c < args.channels; ++c, ++at) {
          ASSERT_NEAR(y[at], expected(args, x, w, bias, n, oh, ow, c), 1e-4)
              << isa_name(isa) << " at " << n << "," << oh << "," << ow << "," << c;
        }
      }
    }
  }
}

TEST(Depthwise, MatchesThePlainLoopOnEveryInstructionSet) {
  for (const Isa isa : testable_isas()) {
    for (int64_t kernel : {3, 5, 7}) {
      for (int64_t stride : {1, 2}) {
        for (int64_t pad : {int64_t{0}, kernel / 2}) {
          for (int64_t channels : {1, 8, 16, 20, 144}) {
            for (int64_t size : {7, 18}) check(isa, make_args(channels, size, kernel, stride, pad));
          }
        }
      }
    }
  }
}

TEST(Depthwise, KnowsItsKernels) {
  EXPECT_TRUE(depthwise_supports(7, 2));
  EXPECT_FALSE(depthwise_supports(4, 1));
  EXPECT_FALSE(depthwise_supports(3, 3));
}

}  // namespace
}  // namespace penstock::simd
