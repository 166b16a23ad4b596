// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/constant_pool.h"

#include <xxhash.h>

#include <cstring>

namespace penstock::compiler {
namespace {

uint64_t align(uint64_t offset) { return (offset + 63) / 64 * 64; }

}  // namespace

uint64_t ConstantPool::add(const ir::ConstantRef& data) {
  const uint64_t hash = XXH3_64bits(data->data, data->bytes);
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const plan::ConstantData& known = constants_[it->second];
    if (known.bytes != data->bytes) continue;
    if (known.bytes == 0 || std::memcmp(known.data, data->data, known.bytes) == 0) {
      return known.offset;
    }
  }
  const uint64_t offset = align(end_);
  end_ = offset + data->bytes;
  by_hash_.emplace(hash, constants_.size());
  constants_.push_back({offset, data->data, data->bytes});
  keep_alive_.push_back(data);
  return offset;
}

}  // namespace penstock::compiler
