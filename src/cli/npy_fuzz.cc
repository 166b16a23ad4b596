// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The program's own readers. The first byte says which: of .npy files as one type or another, or of
// the option --shapes.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "cli/npy.h"
#include "cli/shapes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  if (size == 0) return 0;
  if (data[0] == 'S') {
    (void)cli::parse_shapes(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
    return 0;
  }
  static const int file = ::memfd_create("npy_fuzz", 0);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data + 1, size - 1, 0) < 0) std::abort();
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  const auto wanted = static_cast<DataType>(data[0] % 27);
  const Result<Tensor> tensor = cli::read_npy(path, wanted);
  if (tensor.is_ok() && tensor->bytes() > size) std::abort();
  return 0;
}
