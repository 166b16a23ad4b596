// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// classify MODEL.onnx IMAGE.ppm CLASSES.txt: names what a 32 x 32 image shows.
#include <penstock/penstock.h>

#include <algorithm>
#include <fstream>
#include <iostream>

using namespace penstock;

template <typename T>
T value_or_exit(Result<T> result) {
  if (result.is_ok()) return *std::move(result);
  std::cerr << "error: " << result.status().message() << '\n';
  std::exit(1);
}

// Bytes of RGB pixels to planes of floats, normalised as in the model's training.
Tensor read_image(const char* path) {
  constexpr float kMean[] = {0.4914f, 0.4822f, 0.4465f}, kDeviation[] = {0.2470f, 0.2435f, 0.2616f};
  Tensor image(DataType::kFloat32, {1, 3, 32, 32});
  std::string header(13, '\0');  // "P6\n32 32\n255\n"
  std::ifstream file(path, std::ios::binary);
  file.read(header.data(), 13);
  for (int i = 0; i < 32 * 32 * 3; ++i) {
    image.as<float>()[i % 3 * 32 * 32 + i / 3] =
        (file.get() / 255.0f - kMean[i % 3]) / kDeviation[i % 3];
  }
  return image;
}

int main(int argc, char** argv) {
  if (argc != 4) return std::cerr << "usage: classify MODEL.onnx IMAGE.ppm CLASSES.txt\n", 2;
  const auto plan = std::filesystem::path(argv[1]).replace_extension(".plan");
  Result<Engine> engine = Engine::load(plan);
  if (!engine.is_ok()) {  // none yet, or made for another machine
    value_or_exit(build_plan(argv[1], plan));
    engine = Engine::load(plan);
  }
  ExecutionContext context = value_or_exit(value_or_exit(std::move(engine)).create_context());
  const auto outputs = value_or_exit(context.run({{"images", read_image(argv[2])}}));
  const auto logits = outputs.at("logits").as<float>();
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  std::ifstream classes(argv[3]);
  std::string name;
  for (int i = 0; i <= best; ++i) classes >> name;
  std::cout << name << '\n';
}
