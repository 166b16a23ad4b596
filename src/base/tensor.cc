// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/tensor.h>

#include <cstring>
#include <new>

namespace penstock {
namespace {

std::shared_ptr<void> allocate(size_t bytes) {
  constexpr std::align_val_t kAlignment{64};
  return {::operator new(bytes == 0 ? 64 : bytes, kAlignment),
          [](void* p) { ::operator delete(p, kAlignment); }};
}

// The references of a string tensor and behind them the characters, in one block.
template <typename ViewOf>
std::shared_ptr<void> pack_strings(size_t count, ViewOf&& view_of) {
  size_t bytes = count * sizeof(StringRef);
  for (size_t i = 0; i < count; ++i) bytes += view_of(i).size();
  std::shared_ptr<void> block = allocate(bytes);
  auto* refs = static_cast<StringRef*>(block.get());
  char* characters = reinterpret_cast<char*>(refs + count);
  for (size_t i = 0; i < count; ++i) {
    const std::string_view text = view_of(i);
    if (!text.empty()) std::memcpy(characters, text.data(), text.size());
    refs[i] = {characters, text.size()};
    characters += text.size();
  }
  return block;
}

}  // namespace

Tensor::Tensor(DataType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  data_ = allocate(bytes());
  std::memset(data_.get(), 0, bytes() == 0 ? 64 : bytes());
}

Tensor Tensor::from_strings(Shape shape, std::span<const std::string_view> values) {
  const auto count = static_cast<size_t>(element_count(shape));
  return sharing(DataType::kString, std::move(shape), pack_strings(count, [&](size_t i) {
                   return i < values.size() ? values[i] : std::string_view();
                 }));
}

Tensor Tensor::copy_of(DataType dtype, Shape shape, const void* data) {
  const auto count = static_cast<size_t>(element_count(shape));
  if (dtype == DataType::kString) {
    const auto* refs = static_cast<const StringRef*>(data);
    return sharing(dtype, std::move(shape),
                   pack_strings(count, [&](size_t i) { return refs[i].view(); }));
  }
  const size_t bytes = count * size_of(dtype);
  std::shared_ptr<void> block = allocate(bytes);
  if (bytes > 0) std::memcpy(block.get(), data, bytes);
  return sharing(dtype, std::move(shape), std::move(block));
}

Tensor Tensor::sharing(DataType dtype, Shape shape, std::shared_ptr<void> data) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  tensor.data_ = std::move(data);
  return tensor;
}

std::vector<std::string_view> Tensor::strings() const {
  std::vector<std::string_view> views;
  if (dtype_ != DataType::kString) return views;
  for (const StringRef& ref : as<StringRef>()) views.push_back(ref.view());
  return views;
}

}  // namespace penstock
