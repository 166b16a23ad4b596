// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(MatmulFlattening, TakesTheUnreshapedTensor) {
  test::expect_rewrite(matmul_flattening, R"ir(
graph g(%x : float32[batch, seq, 8]) {
  %r = Reshape(%x) {allowzero = 1, shape = {batch*seq, 8}}
  %m = MatMul(%r, const float32[8, 3]random, const float32[3][1, 2, 3])
  %y = Reshape(%m) {allowzero = 1, shape = {batch, seq, 3}}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[batch, seq, 8]) {
  %m.2 : float32[batch, seq, 3] = MatMul(%x, const float32[8, 3]#, const float32[3][1, 2, 3])
  %m : float32[batch*seq, 3] = Reshape(%m.2) {allowzero = 1, shape = {batch*seq, 3}}
  %y : float32[batch, seq, 3] = Reshape(%m) {allowzero = 1, shape = {batch, seq, 3}}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
