// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/npy.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <vector>

#include "cli/npy_strings.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Descriptor {
  std::string_view text;
  DataType dtype;
};

constexpr std::array kDescriptors = {
    Descriptor{"<f4", DataType::kFloat32}, Descriptor{"<f8", DataType::kFloat64},
    Descriptor{"<f2", DataType::kFloat16}, Descriptor{"|i1", DataType::kInt8},
    Descriptor{"<i2", DataType::kInt16},   Descriptor{"<i4", DataType::kInt32},
    Descriptor{"<i8", DataType::kInt64},   Descriptor{"|u1", DataType::kUInt8},
    Descriptor{"<u2", DataType::kUInt16},  Descriptor{"<u4", DataType::kUInt32},
    Descriptor{"<u8", DataType::kUInt64},  Descriptor{"|b1", DataType::kBool},
};

// True for the types that NumPy does not know, which files hold as untyped bytes.
bool is_foreign(DataType dtype) { return is_small(dtype) || dtype == DataType::kBFloat16; }

Status broken(const std::string& name, const std::string& why) {
  return {StatusCode::kInvalidArgument, "'" + name + "' " + why};
}

// How a file may name the elements of a type that NumPy does not know.
bool may_hold(std::string_view descriptor, DataType wanted) {
  if (!is_foreign(wanted) || descriptor.size() < 5) return false;
  const std::string_view kind = descriptor.substr(1, 4);  // "<V2'"
  const std::string size = std::to_string(size_of(wanted)) + descriptor.front();
  // ml_dtypes calls float8e5m2 "<f1".
  const bool is_own_name = wanted == DataType::kFloat8E5M2 && kind.substr(1, 2) == "f1";
  return is_own_name ||
         (kind.substr(2) == size && (kind[1] == 'V' || (kind[1] == 'u' && kind[0] != '>')));
}

DataType type_of(std::string_view descriptor, DataType wanted) {
  if (may_hold(descriptor, wanted)) return wanted;
  for (const Descriptor& known : kDescriptors) {
    if (descriptor.size() > 1 && descriptor.substr(1, known.text.size()) == known.text) {
      return known.dtype;
    }
  }
  return DataType::kUndefined;
}

// The text after 'key': in the header's dictionary.
std::string_view field(std::string_view header, std::string_view key) {
  const std::string quoted = "'" + std::string(key) + "':";
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + quoted.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

bool parse_shape(std::string_view text, Shape& shape) {
  if (text.empty() || text.front() != '(') return false;
  text.remove_prefix(1);
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(" ,"), text.size()));
    if (text.empty()) return false;
    if (text.front() == ')') return true;
    int64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent < 0) return false;
    shape.push_back(extent);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
}

Result<std::string> read_header(std::istream& file, const std::string& path) {
  std::array<char, 8> start;
  if (!file.read(start.data(), start.size()) ||
      std::string_view(start.data(), kMagic.size()) != kMagic) {
    return broken(path, "is not a .npy file");
  }
  uint32_t length = 0;
  if (!file.read(reinterpret_cast<char*>(&length), start[6] == 1 ? 2 : 4) || length > (1U << 20)) {
    return broken(path, "has a broken .npy header");
  }
  std::string header(length, '\0');
  if (!file.read(header.data(), length)) return broken(path, "ends inside its header");
  return header;
}

}  // namespace

Result<Tensor> read_npy(const std::filesystem::path& path, DataType wanted) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Status(StatusCode::kNotFound,
                  "cannot read '" + path.string() + "': " + std::strerror(errno));
  }
  return read_npy(file, path.string(), wanted);
}

Result<Tensor> read_npy(std::istream& file, const std::string& path, DataType wanted) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string header, read_header(file, path));
  const std::string_view descriptor = field(header, "descr");
  DataType dtype = type_of(descriptor, wanted);
  const int64_t width = unicode_width(descriptor.substr(std::min<size_t>(1, descriptor.size())));
  if (width >= 0) dtype = DataType::kString;
  if (dtype == DataType::kUndefined) {
    return broken(path, "holds elements of type " + std::string(descriptor.substr(0, 8)) +
                            ", which is not read here");
  }
  if (field(header, "fortran_order").substr(0, 5) != "False") {
    return broken(path, "is in Fortran order; save numpy.ascontiguousarray(x)");
  }
  Shape shape;
  if (!parse_shape(field(header, "shape"), shape)) return broken(path, "has a broken shape");
  const auto at = file.tellg();
  file.seekg(0, std::ios::end);
  const auto held = static_cast<uint64_t>(file.tellg() - at);
  file.seekg(at);
  uint64_t bytes = width < 0 ? size_of(dtype) : 4;
  if (width >= 0 && __builtin_mul_overflow(bytes, static_cast<uint64_t>(width), &bytes)) {
    return broken(path, "has impossibly wide elements");
  }
  for (int64_t extent : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(extent), &bytes)) {
      return broken(path, "has an impossible shape " + to_string(shape));
    }
  }
  if (held != bytes) {
    return broken(path, "is truncated or too long: shape " + to_string(shape) + " needs " +
                            std::to_string(bytes) + " bytes, it holds " + std::to_string(held));
  }
  if (width >= 0) return read_unicode(file, shape, width);
  Tensor tensor(dtype, shape);
  file.read(static_cast<char*>(tensor.data()), static_cast<std::streamsize>(bytes));
  return tensor;
}

Status write_npy(const std::filesystem::path& path, DataType dtype, const Shape& shape,
                 const void* data) {
  std::string descriptor;
  if (dtype == DataType::kString) {
    descriptor = unicode_descriptor(shape, static_cast<const StringRef*>(data));
  }
  for (const Descriptor& known : kDescriptors) {
    if (known.dtype == dtype) descriptor = known.text;
  }
  if (is_foreign(dtype)) descriptor = size_of(dtype) == 1 ? "|V1" : "<V2";
  if (descriptor.empty()) {
    return {StatusCode::kUnsupported,
            ".npy has no type for " + std::string(penstock::to_string(dtype)) + " elements"};
  }
  std::string header = "{'descr': '" + descriptor + "', 'fortran_order': False, 'shape': (";
  for (int64_t extent : shape) header += std::to_string(extent) + ",";
  header += "), }";
  // Data starts at a multiple of 64, as numpy writes it.
  while ((kMagic.size() + 4 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  const auto length = static_cast<uint16_t>(header.size());
  file.write(kMagic.data(), static_cast<std::streamsize>(kMagic.size()));
  file.write("\x01\x00", 2);
  file.write(reinterpret_cast<const char*>(&length), 2);
  file << header;
  const size_t bytes = static_cast<size_t>(element_count(shape)) * size_of(dtype);
  if (dtype == DataType::kString) {
    file << unicode_bytes(shape, static_cast<const StringRef*>(data));
  } else {
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  }
  file.close();
  if (file) return Status::ok();
  const std::string why = std::strerror(errno);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return {StatusCode::kIoError, "cannot write '" + path.string() + "': " + why};
}

}  // namespace penstock::cli
