// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <string>

#include "model_mutator.h"
#include "targets.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::fuzz::run_model({data, size});
  return 0;
}

namespace {

// What does not fit stays as it was.
size_t store(const onnx::ModelProto& model, uint8_t* data, size_t size, size_t max_size) {
  const std::string bytes = model.SerializeAsString();
  if (bytes.empty() || bytes.size() > max_size) return size;
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace

// Fields of models are mutated, not their bytes: most of what comes out is a model again.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  onnx::ModelProto model;
  if (seed % 64 == 0 || !model.ParseFromArray(data, static_cast<int>(size))) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  penstock::fuzz::mutate(model, seed);
  return store(model, data, size, max_size);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data, size_t size,
                                            const uint8_t* other_data, size_t other_size,
                                            uint8_t* out, size_t max_size, unsigned int seed) {
  onnx::ModelProto model;
  onnx::ModelProto other;
  if (!model.ParseFromArray(data, static_cast<int>(size)) ||
      !other.ParseFromArray(other_data, static_cast<int>(other_size))) {
    return 0;
  }
  penstock::fuzz::cross(model, other, seed);
  return store(model, out, 0, max_size);
}
