// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/values.h"

#include <algorithm>

#include "cli/npy.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

// Output names may hold what file names must not.
std::string file_name(const std::string& output) {
  std::string name = output;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

Status write_tensor(const fs::path& path, const Tensor& tensor) {
  return write_npy(path, tensor.dtype(), tensor.shape(), tensor.data());
}

fs::path element_path(const fs::path& folder, size_t i) {
  return folder / (std::to_string(i) + ".npy");
}

Status write_sequence(const fs::path& folder, const std::vector<Tensor>& tensors) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return {StatusCode::kIoError,
            "cannot make folder '" + folder.string() + "': " + error.message()};
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(write_tensor(element_path(folder, i), tensors[i]));
  }
  // What an earlier and longer sequence left there would be read as part of this one.
  size_t left = tensors.size();
  while (fs::remove(element_path(folder, left), error)) ++left;
  return Status::ok();
}

std::string describe_tensor(const Tensor& tensor) {
  return std::string(to_string(tensor.dtype())) + to_string(tensor.shape());
}

}  // namespace

Result<Value> read_value(const fs::path& path, DataType wanted) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, read_npy(path, wanted));
    return Value(std::move(tensor));
  }
  std::vector<Tensor> tensors;
  while (fs::exists(element_path(path, tensors.size()), error)) {
    PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, read_npy(element_path(path, tensors.size()), wanted));
    tensors.push_back(std::move(tensor));
  }
  return Value::sequence(std::move(tensors));
}

Result<std::string> write_value(const fs::path& folder, const std::string& name,
                                const Value& value) {
  if (value.is_none()) return std::string();
  fs::path path = folder / file_name(name);
  if (value.is_sequence()) {
    PENSTOCK_RETURN_IF_ERROR(write_sequence(path, value.tensors()));
  } else {
    path += ".npy";
    PENSTOCK_RETURN_IF_ERROR(write_tensor(path, value.tensor()));
  }
  return path.string();
}

std::string describe_value(const Value& value) {
  if (value.is_none()) return "nothing";
  if (value.is_tensor()) return describe_tensor(value.tensor());
  constexpr size_t kShown = 4;
  const std::vector<Tensor>& tensors = value.tensors();
  std::string text = "sequence of " + std::to_string(tensors.size());
  for (size_t i = 0; i < std::min(tensors.size(), kShown); ++i) {
    text += (i == 0 ? ": " : ", ") + describe_tensor(tensors[i]);
  }
  return text + (tensors.size() > kShown ? ", ..." : "");
}

}  // namespace penstock::cli
