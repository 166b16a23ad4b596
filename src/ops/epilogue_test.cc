// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/epilogue.h"

#include <gtest/gtest.h>

#include <cmath>

namespace penstock::ops {
namespace {

double run_step(const char* text, double x) {
  const Result<Epilogue> epilogue = parse_epilogue(text);
  EXPECT_TRUE(epilogue.is_ok()) << epilogue.status().message();
  return activate(epilogue->at(0), x);
}

TEST(Epilogue, PrintsWhatItParsed) {
  for (const char* text :
       {"", "relu", "add(3);relu", "mul(4);add(3);clip(0,6)", "leaky_relu(0.01)",
        "hard_sigmoid(0.2,0.5);elu(1)", "sigmoid;tanh;gelu;gelu_tanh;silu;hard_swish",
        "round(0.5,-128,127);add(4,0.25,3);mul(5,2,0)"}) {
    const Result<Epilogue> epilogue = parse_epilogue(text);
    ASSERT_TRUE(epilogue.is_ok()) << epilogue.status().message();
    EXPECT_EQ(print_epilogue(*epilogue), text);
  }
  EXPECT_EQ(print_epilogue(*parse_epilogue(" add( 3 ) ; clip(-1e3, inf) ")),
            "add(3);clip(-1000,inf)");
}

TEST(Epilogue, RefusesWhatItDoesNotKnow) {
  for (const char* text :
       {"softmax", "add", "add(x)", "add(-1)", "clip(0)", "clip(0,1,2)", "elu", "relu(", "relu(1)",
        "relu;;relu", "add(3,1)", "add(3,0,1)", "round(0,1,2)", "round(1)"}) {
    EXPECT_FALSE(parse_epilogue(text).is_ok()) << text;
  }
  EXPECT_EQ(parse_epilogue("relu;swoosh").status().message(),
            "epilogue step 'swoosh' is not known");
}

TEST(Epilogue, ComputesActivations) {
  EXPECT_EQ(run_step("relu", -2), 0);
  EXPECT_EQ(run_step("relu", 2), 2);
  EXPECT_FLOAT_EQ(run_step("leaky_relu(0.5)", -2), -1);
  EXPECT_EQ(run_step("clip(0,6)", 7), 6);
  EXPECT_EQ(run_step("clip(0,6)", -7), 0);
  EXPECT_EQ(run_step("sigmoid", 0), 0.5);
  EXPECT_NEAR(run_step("tanh", 1), 0.7615941559557649, 1e-12);
  EXPECT_NEAR(run_step("gelu", 1), 0.8413447460685429, 1e-12);
  EXPECT_NEAR(run_step("gelu_tanh", 1), 0.8411919906082768, 1e-12);
  EXPECT_NEAR(run_step("silu", 1), 0.7310585786300049, 1e-12);
  EXPECT_NEAR(run_step("hard_swish", 1), 2.0 / 3.0, 1e-12);
  EXPECT_EQ(run_step("hard_swish", -4), 0);
  EXPECT_NEAR(run_step("hard_sigmoid(0.2,0.5)", 1), 0.7, 1e-7);
  EXPECT_NEAR(run_step("elu(2)", -1), 2 * (std::exp(-1.0) - 1), 1e-12);
  EXPECT_EQ(run_step("round(0.5,-2,3)", 0.75), 1);
  EXPECT_EQ(run_step("round(0.5,-2,3)", 7), 1.5);
  EXPECT_TRUE(std::isnan(run_step("relu", NAN)));
  EXPECT_TRUE(std::isnan(run_step("clip(0,6)", NAN)));
}

}  // namespace
}  // namespace penstock::ops
