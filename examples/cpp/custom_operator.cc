// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// custom_operator MODEL.onnx: runs a model with a node com.example::Clamp of attributes `low` and
// `high`.
#include <penstock/penstock.h>

#include <algorithm>
#include <iostream>

using namespace penstock;

template <typename T>
T value_or_exit(Result<T> result) {
  if (result.is_ok()) return *std::move(result);
  std::cerr << "error: " << result.status().message() << '\n';
  std::exit(1);
}

// [operator]
CustomOperator clamp() {
  CustomOperator op;
  op.domain = "com.example";
  op.name = "Clamp";
  // The output is of the input's type and shape.
  op.infer = [](const OperatorAttributes&, const std::vector<OperandType>& inputs) {
    return Result<std::vector<OperandType>>({inputs[0]});
  };
  op.run = [](OperatorRun& run) -> Status {
    const OperandView& x = run.input(0);
    const float low = run.attributes().get("low", 0.0f), high = run.attributes().get("high", 1.0f);
    PENSTOCK_ASSIGN_OR_RETURN(void* y, run.output(0, x.shape));
    constexpr int64_t kGrain = 1 << 14;
    run.parallel_for(element_count(x.shape), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        static_cast<float*>(y)[i] = std::clamp(x.as<float>()[i], low, high);
      }
    });
    return Status::ok();
  };
  return op;
}
// [end]

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: custom_operator MODEL.onnx\n", 2;
  const Status registered = register_operator(clamp());
  if (!registered.is_ok()) return std::cerr << "error: " << registered.message() << '\n', 1;
  const auto plan = std::filesystem::temp_directory_path() / "penstock_custom_operator.plan";
  value_or_exit(build_plan(argv[1], plan));
  const Engine engine = value_or_exit(Engine::load(plan));
  ExecutionContext context = value_or_exit(engine.create_context());
  const std::vector<float> x = {-2.0f, 0.25f, 3.0f};
  const auto outputs = value_or_exit(
      context.run({{"x", Tensor::from<float>(DataType::kFloat32, {3}, std::span(x))}}));
  for (float y : outputs.at("y").as<float>()) std::cout << y << ' ';
  std::cout << '\n';
}
