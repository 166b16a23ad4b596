// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Two stand-ins for GPUs, in a library with the CUDA backend's name and entries: with its folder in
// LD_LIBRARY_PATH, all of the product runs as on a machine with GPUs.
#include "coded_device.h"

namespace {

constexpr int kDevices = 2;

}  // namespace

extern "C" int penstock_cuda_device_count() { return kDevices; }

extern "C" penstock::Result<std::shared_ptr<penstock::backends::Backend>>* penstock_cuda_backend(
    int device) {
  using namespace penstock;
  using Answer = Result<std::shared_ptr<backends::Backend>>;
  if (device < 0 || device >= kDevices) {
    return new Answer(Status(StatusCode::kUnsupported,
                             "there is no device cuda:" + std::to_string(device) + "; there are " +
                                 std::to_string(kDevices) + " GPUs, the last is cuda:1"));
  }
  const std::vector<std::string> ops = {"Add",       "Copy",    "MatMul",   "Mul",
                                        "Pointwise", "Softmax", "Transpose"};
  return new Answer(std::make_shared<test::CodedBackend>(ops, "cuda", device));
}
