// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <penstock/penstock.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>

namespace penstock::test {

// The shipped ResNet-20, unpacked by the test "shipped_models" that ctest runs first.
inline std::filesystem::path resnet20_onnx() { return "build/models/cifar_resnet20.onnx"; }

// A file of this process's own, deleted with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path_(std::filesystem::path(testing::TempDir()) /
              (std::to_string(::getpid()) + "_" + name)) {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Quick to make: nothing is measured. Batches of 1 to 8.
inline Status build_resnet20(const std::filesystem::path& plan, int threads) {
  BuildOptions options;
  options.optimization_level = 0;
  options.threads = threads;
  options.profile.inputs["images"].max = {8, 3, 32, 32};
  return build_plan(resnet20_onnx(), plan, options).status();
}

// An engine of the shipped ResNet-20 for streams of `threads` threads; the plan file lives as long.
class ResNet20 {
 public:
  explicit ResNet20(int threads) : file_("resnet20.plan"), engine_(load(file_.path(), threads)) {}
  bool is_ok() const { return engine_.is_ok(); }
  std::string message() const { return engine_.status().message(); }
  Engine& operator*() { return *engine_; }
  Engine* operator->() { return &*engine_; }

 private:
  static Result<Engine> load(const std::filesystem::path& path, int threads) {
    PENSTOCK_RETURN_IF_ERROR(build_resnet20(path, threads));
    return Engine::load(path);
  }

  TemporaryFile file_;
  Result<Engine> engine_;
};

inline Tensor random_images(int64_t batch, uint32_t seed) {
  Tensor images(DataType::kFloat32, {batch, 3, 32, 32});
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (float& element : images.as<float>()) element = normal(generator);
  return images;
}

inline std::vector<float> to_vector(const Tensor& tensor) {
  return {tensor.as<float>().begin(), tensor.as<float>().end()};
}

}  // namespace penstock::test
