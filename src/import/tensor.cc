// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/tensor.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/small_types.h"

namespace penstock::importer {
namespace {

Status invalid(std::string message) { return {StatusCode::kInvalidModel, std::move(message)}; }

// Below this, a copy is cheaper than keeping the parsed model alive for it.
constexpr size_t kCopyBytes = 1024;

// Type, shape and byte count from the header of a tensor, without data.
Result<ir::Constant> read_header(const onnx::TensorProto& tensor) {
  const auto dtype = element_type(tensor.data_type());
  if (!dtype) {
    return Status(StatusCode::kUnsupported,
                  "elements of type " + onnx_type_name(tensor.data_type()) + " are not supported");
  }
  if (tensor.has_segment()) {
    return Status(StatusCode::kUnsupported, "tensors in segments are not supported");
  }
  ir::Constant constant;
  constant.dtype = *dtype;
  constant.shape.assign(tensor.dims().begin(), tensor.dims().end());
  constant.bytes = size_of(*dtype);
  for (const int64_t extent : constant.shape) {
    if (extent < 0) return invalid("a shape of " + to_string(constant.shape));
  }
  // An empty tensor may have large other extents: they are no overflow.
  if (std::find(constant.shape.begin(), constant.shape.end(), 0) != constant.shape.end()) {
    constant.bytes = 0;
    return constant;
  }
  for (const int64_t extent : constant.shape) {
    if (__builtin_mul_overflow(constant.bytes, static_cast<size_t>(extent), &constant.bytes) ||
        constant.bytes > static_cast<size_t>(INT64_MAX)) {
      return invalid("a shape of " + to_string(constant.shape) + " is too large");
    }
  }
  return constant;
}

// Bytes that the elements take in a file: less than in memory where they are packed.
size_t stored_bytes(const ir::Constant& header) {
  const auto bits = is_small(header.dtype) ? static_cast<size_t>(small_bits(header.dtype)) : 8;
  const size_t per_byte = 8 / bits;
  return header.bytes / per_byte + (header.bytes % per_byte != 0 ? 1 : 0);
}

// Elements of fewer than 8 bits, packed from the low end of each byte.
ir::ConstantRef unpack(const ir::Constant& header, const uint8_t* packed) {
  const int bits = small_bits(header.dtype);
  const size_t per_byte = 8 / static_cast<size_t>(bits);
  std::vector<uint8_t> elements(header.bytes);
  for (size_t i = 0; i < elements.size(); ++i) {
    const int byte = packed[i / per_byte] >> (static_cast<int>(i % per_byte) * bits);
    elements[i] = static_cast<uint8_t>(byte & ((1 << bits) - 1));
  }
  return ir::make_constant(header.dtype, header.shape, elements);
}

// Bytes as a constant: a view that shares `owner`, or a copy where that is wiser.
ir::ConstantRef view_or_copy(ir::Constant constant, const void* data,
                             std::shared_ptr<const void> owner) {
  if (stored_bytes(constant) != constant.bytes) {
    return unpack(constant, static_cast<const uint8_t*>(data));
  }
  const auto* bytes = static_cast<const std::byte*>(data);
  const bool aligned = reinterpret_cast<uintptr_t>(data) % size_of(constant.dtype) == 0;
  // Bytes other than 0 and 1 are no bools to the compiler.
  const bool odd_bools =
      constant.dtype == DataType::kBool &&
      std::any_of(bytes, bytes + constant.bytes, [](std::byte b) { return b > std::byte{1}; });
  if (odd_bools) {
    std::vector<std::byte> fixed(bytes, bytes + constant.bytes);
    for (std::byte& b : fixed) b = std::min(b, std::byte{1});
    return ir::make_constant(constant.dtype, std::move(constant.shape), fixed);
  }
  if (constant.bytes < kCopyBytes || !aligned) {
    return ir::make_constant(constant.dtype, std::move(constant.shape), data);
  }
  constant.data = bytes;
  constant.owner = std::move(owner);
  return std::make_shared<const ir::Constant>(std::move(constant));
}

// The elements of a typed field, each converted to T.
template <typename T, typename Field>
Result<ir::ConstantRef> from_field(const ir::Constant& header, const Field& field) {
  const size_t count = header.bytes / sizeof(T);
  if (static_cast<size_t>(field.size()) != count) {
    return invalid("holds " + std::to_string(field.size()) + " elements, but its shape " +
                   to_string(header.shape) + " needs " + std::to_string(count));
  }
  std::vector<T> elements;
  elements.reserve(count);
  for (const auto element : field) elements.push_back(static_cast<T>(element));
  return ir::make_constant(header.dtype, header.shape, elements);
}

Result<ir::ConstantRef> read_strings(const ir::Constant& header, const onnx::TensorProto& tensor) {
  const auto& strings = tensor.string_data();
  if (strings.size() != element_count(header.shape)) {
    return invalid("holds " + std::to_string(strings.size()) + " strings, but its shape " +
                   to_string(header.shape) + " needs " +
                   std::to_string(element_count(header.shape)));
  }
  return ir::make_string_constant(header.shape, {strings.begin(), strings.end()});
}

// int32_data holds a byte of the packed elements per entry.
Result<ir::ConstantRef> from_packed_field(const ir::Constant& header,
                                          const onnx::TensorProto& tensor) {
  std::vector<uint8_t> bytes;
  for (const int32_t byte : tensor.int32_data()) bytes.push_back(static_cast<uint8_t>(byte));
  if (bytes.size() != stored_bytes(header)) {
    return invalid("holds " + std::to_string(bytes.size()) + " packed bytes, but its shape " +
                   to_string(header.shape) + " needs " + std::to_string(stored_bytes(header)));
  }
  return unpack(header, bytes.data());
}

// Which typed field holds which type: the table of onnx.proto's TensorProto.
Result<ir::ConstantRef> read_typed(const ir::Constant& header, const onnx::TensorProto& tensor) {
  if (is_small(header.dtype)) return from_packed_field(header, tensor);
  switch (header.dtype) {
    case DataType::kFloat32: return from_field<float>(header, tensor.float_data());
    case DataType::kFloat64: return from_field<double>(header, tensor.double_data());
    case DataType::kInt64: return from_field<int64_t>(header, tensor.int64_data());
    case DataType::kUInt64: return from_field<uint64_t>(header, tensor.uint64_data());
    case DataType::kUInt32: return from_field<uint32_t>(header, tensor.uint64_data());
    case DataType::kInt32: return from_field<int32_t>(header, tensor.int32_data());
    case DataType::kInt16: return from_field<int16_t>(header, tensor.int32_data());
    case DataType::kInt8: return from_field<int8_t>(header, tensor.int32_data());
    case DataType::kUInt8: return from_field<uint8_t>(header, tensor.int32_data());
    case DataType::kBool: {
      std::vector<int32_t> bits(tensor.int32_data().begin(), tensor.int32_data().end());
      for (int32_t& bit : bits) bit = bit != 0 ? 1 : 0;
      return from_field<uint8_t>(header, bits);
    }
    default:  // 16-bit floats are stored by their bits, like uint16
      return from_field<uint16_t>(header, tensor.int32_data());
  }
}

Result<size_t> parse_size(const std::string& text, const char* what) {
  size_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return invalid(std::string("external data with ") + what + " '" + text + "'");
  }
  return value;
}

}  // namespace

std::optional<DataType> element_type(int onnx_type) {
  const auto type = static_cast<DataType>(onnx_type);
  if (onnx_type <= 0 || onnx_type > static_cast<int>(DataType::kInt2)) return std::nullopt;
  if (type == DataType::kComplex64 || type == DataType::kComplex128) {
    return std::nullopt;
  }
  return type;
}

std::string onnx_type_name(int onnx_type) {
  if (!onnx::TensorProto::DataType_IsValid(onnx_type)) {
    return "number " + std::to_string(onnx_type);
  }
  std::string name =
      onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(onnx_type));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

Result<ir::ConstantRef> TensorReader::read(const onnx::TensorProto& tensor,
                                           const std::string& name) {
  const auto read_data = [&]() -> Result<ir::ConstantRef> {
    PENSTOCK_ASSIGN_OR_RETURN(ir::Constant header, read_header(tensor));
    if (header.dtype == DataType::kString) return read_strings(header, tensor);
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
      return read_external(tensor, std::move(header));
    }
    if (!tensor.has_raw_data()) return read_typed(header, tensor);
    if (tensor.raw_data().size() != stored_bytes(header)) {
      return invalid("holds " + std::to_string(tensor.raw_data().size()) +
                     " bytes, but its shape " + to_string(header.shape) + " and type " +
                     std::string(to_string(header.dtype)) + " need " +
                     std::to_string(stored_bytes(header)));
    }
    return view_or_copy(std::move(header), tensor.raw_data().data(), model_);
  };
  Result<ir::ConstantRef> result = read_data();
  if (!result.is_ok()) return result.status().with_context("tensor '" + name + "'");
  return result;
}

Result<ir::ConstantRef> TensorReader::read_external(const onnx::TensorProto& tensor,
                                                    ir::Constant constant) {
  std::string location;
  size_t offset = 0;
  std::optional<size_t> length;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") {
      location = entry.value();
    } else if (entry.key() == "offset") {
      PENSTOCK_ASSIGN_OR_RETURN(offset, parse_size(entry.value(), "offset"));
    } else if (entry.key() == "length") {
      PENSTOCK_ASSIGN_OR_RETURN(length, parse_size(entry.value(), "length"));
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, external_.file(location));
  const size_t bytes = stored_bytes(constant);
  if (length && *length != bytes) {
    return invalid("has " + std::to_string(*length) + " bytes of external data in '" + location +
                   "', but its shape " + to_string(constant.shape) + " needs " +
                   std::to_string(bytes));
  }
  if (offset > file->size() || bytes > file->size() - offset) {
    return invalid("external data '" + location + "' ends at " + std::to_string(file->size()) +
                   " bytes, but " + std::to_string(bytes) + " are needed at offset " +
                   std::to_string(offset) + ": the file is truncated or another model's");
  }
  return view_or_copy(std::move(constant), file->data().data() + offset, file);
}

}  // namespace penstock::importer
