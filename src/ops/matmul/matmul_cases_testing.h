// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "ops/testing.h"

namespace penstock::ops::test {

// A product that every MatMul tactic is checked on.
struct MatMulCase {
  Shape a, b;
  Shape bias = {};  // empty: none
  bool trans_a = false;
  bool trans_b = false;
  float alpha = 1.0f;
  std::string epilogue = "";
  Shape operand = {};  // what the epilogue calls input 3

  int64_t terms() const { return a.empty() ? 1 : a[trans_a ? a.size() - 2 : a.size() - 1]; }
  std::string text() const {
    return to_string(a) + (trans_a ? "^T" : "") + " x " + to_string(b) + (trans_b ? "^T " : " ") +
           epilogue + " " + to_string(operand);
  }
  OpCase op_case(bool constant_b = false) const {
    OpCase c{"MatMul",
             {},
             {random_tensor(DataType::kFloat32, a, 1), random_tensor(DataType::kFloat32, b, 2)}};
    if (trans_a) c.attributes.set("trans_a", int64_t{1});
    if (trans_b) c.attributes.set("trans_b", int64_t{1});
    if (alpha != 1.0f) c.attributes.set("alpha", alpha);
    if (!epilogue.empty()) c.attributes.set("epilogue", epilogue);
    if (!bias.empty() || !operand.empty()) c.inputs.resize(3);
    if (!bias.empty()) c.inputs[2] = random_tensor(DataType::kFloat32, bias, 3);
    if (!operand.empty()) c.inputs.push_back(random_tensor(DataType::kFloat32, operand, 4));
    if (constant_b) c.constants = {1};
    return c;
  }
};

inline std::vector<MatMulCase> matmul_cases() {
  return {
      {{5, 7}, {7, 3}, {3}},
      {{1, 1}, {1, 1}},
      {{64, 48}, {80, 48}, {80}, false, true},
      {{48, 64}, {48, 80}, {80}, true, false},
      {{33, 17}, {21, 33}, {}, true, true},
      {{128, 256}, {256, 192}, {192}, false, false, 0.125f},
      {{2, 9, 16}, {16, 24}, {24}},
      {{2, 3, 9, 16}, {2, 3, 16, 9}},
      {{2, 3, 9, 16}, {2, 3, 9, 16}, {}, false, true, 0.25f},
      {{2, 1, 5, 4}, {3, 4, 6}},
      {{4, 6}, {3, 6, 5}},
      {{6}, {6, 5}},
      {{4, 6}, {6}},
      {{2, 4, 6}, {6}, {4}},
      {{6}, {2, 6, 5}},
      {{3, 4, 6}, {1, 6, 5}, {5}},
      {{7, 5}, {5, 7}, {7, 1}},
      {{1, 7, 40}, {40, 24}, {24}, false, false, 1.0f, "add(3);relu", {1, 7, 24}},
      {{2, 7, 40}, {40, 24}, {24}, false, false, 1.0f, "add(3)", {2, 7, 24}},
      {{2, 7, 40}, {40, 24}, {24}, false, false, 1.0f, "add(3)", {7, 24}},
      {{2, 7, 40}, {40, 24}, {24}, false, false, 1.0f, "mul(3)", {24}},
      {{2, 7, 40}, {40, 24}, {}, false, false, 2.0f, "mul(3);gelu", {2, 7, 1}},
      {{2, 3, 7, 8}, {2, 3, 8, 7}, {}, false, false, 1.0f, "add(3)", {2, 1, 1, 7}},
  };
}

inline std::vector<const char*> matmul_epilogues() {
  return {"relu",
          "leaky_relu(0.1)",
          "clip(0,6)",
          "clip(-0.5,inf)",
          "sigmoid",
          "tanh",
          "gelu",
          "gelu_tanh",
          "silu",
          "hard_swish",
          "elu(0.7)",
          "relu;sigmoid",
          "clip(-0.5,0.5);relu",
          "hard_sigmoid(0.2,0.5)"};
}

}  // namespace penstock::ops::test
