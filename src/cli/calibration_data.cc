// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/calibration_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cli/npy.h"
#include "cli/npz.h"

namespace penstock::cli {
namespace {

using Arrays = std::map<std::string, Tensor>;

Status bad_data(const std::filesystem::path& path, const std::string& why) {
  return {StatusCode::kInvalidArgument,
          fmt::format("calibration data '{}': {}", path.string(), why)};
}

template <typename From, typename To>
Tensor widen(const Tensor& tensor, DataType to) {
  Tensor result(to, tensor.shape());
  const auto from = tensor.as<From>();
  std::copy(from.begin(), from.end(), result.as<To>().begin());
  return result;
}

// NumPy's defaults are not those of models: int32 for an int64 input, float64 for a float32 one.
Result<Tensor> as_type(Tensor tensor, const TensorInfo& input, const std::filesystem::path& path) {
  const DataType from = tensor.dtype();
  const DataType to = input.dtype;
  if (from == to) return tensor;
  if (from == DataType::kInt32 && to == DataType::kInt64) {
    return widen<int32_t, int64_t>(tensor, to);
  }
  if (from == DataType::kUInt8 && to == DataType::kInt64) {
    return widen<uint8_t, int64_t>(tensor, to);
  }
  if (from == DataType::kUInt8 && to == DataType::kInt32) {
    return widen<uint8_t, int32_t>(tensor, to);
  }
  if (from == DataType::kFloat64 && to == DataType::kFloat32) {
    return widen<double, float>(tensor, to);
  }
  return bad_data(path, fmt::format("input '{}' takes {}, the array holds {}", input.name,
                                    to_string(to), to_string(from)));
}

Tensor rows(const Tensor& tensor, int64_t begin, int64_t count) {
  Shape shape = tensor.shape();
  const size_t row = tensor.bytes() / static_cast<size_t>(std::max<int64_t>(1, shape[0]));
  shape[0] = count;
  return Tensor::copy_of(tensor.dtype(), shape,
                         static_cast<const std::byte*>(tensor.data()) + row * begin);
}

// The batch that the model's inputs fix, else the asked one.
int64_t batch_of(const std::vector<TensorInfo>& inputs, int64_t asked) {
  for (const TensorInfo& input : inputs) {
    if (!input.shape.empty() && input.shape[0] > 0) return input.shape[0];
  }
  return asked;
}

// An array for each input, cut along the first axis.
class ArraysSource : public CalibrationSource {
 public:
  ArraysSource(std::filesystem::path path, int64_t batch) : path_(std::move(path)), batch_(batch) {}

  Status begin(const std::vector<TensorInfo>& inputs) override {
    std::map<std::string, DataType> types;
    for (const TensorInfo& input : inputs) types[input.name] = input.dtype;
    PENSTOCK_ASSIGN_OR_RETURN(Arrays arrays, read(types));
    for (const TensorInfo& input : inputs) {
      const auto it = arrays.find(input.name);
      if (it == arrays.end()) return lacks(input, arrays);
      if (it->second.shape().empty()) {
        return bad_data(path_, "array '" + input.name + "' has no axis of samples");
      }
      PENSTOCK_ASSIGN_OR_RETURN(arrays_[input.name], as_type(std::move(it->second), input, path_));
    }
    batch_ = batch_of(inputs, batch_);
    samples_ = arrays_.begin()->second.shape()[0];
    for (const auto& [name, array] : arrays_) {
      if (array.shape()[0] == samples_) continue;
      return bad_data(path_, fmt::format("array '{}' has {} samples, '{}' has {}",
                                         arrays_.begin()->first, samples_, name, array.shape()[0]));
    }
    is_fixed_ = batch_of(inputs, 0) > 0;
    if (is_fixed_ && samples_ < batch_) {
      return bad_data(path_, fmt::format("it has {} samples, and the model takes {} at once",
                                         samples_, batch_));
    }
    return Status::ok();
  }

  Result<std::optional<Arrays>> next() override {
    const int64_t count = std::min(batch_, samples_ - done_);
    if (count <= 0 || (is_fixed_ && count < batch_)) return std::optional<Arrays>();
    Arrays batch;
    for (const auto& [name, array] : arrays_) batch[name] = rows(array, done_, count);
    done_ += count;
    return std::optional(std::move(batch));
  }

  std::optional<int64_t> batch_count() const override {
    return is_fixed_ ? samples_ / batch_ : (samples_ + batch_ - 1) / batch_;
  }

 private:
  Result<Arrays> read(const std::map<std::string, DataType>& types) const {
    if (!std::filesystem::is_directory(path_)) return read_npz(path_, types);
    Arrays arrays;
    for (const auto& [name, dtype] : types) {
      const std::filesystem::path file = path_ / (name + ".npy");
      if (!std::filesystem::exists(file)) continue;
      PENSTOCK_ASSIGN_OR_RETURN(arrays[name], read_npy(file, dtype));
    }
    return arrays;
  }

  Status lacks(const TensorInfo& input, const Arrays& arrays) const {
    std::string held;
    for (const auto& [name, array] : arrays) held += (held.empty() ? "" : ", ") + name;
    return bad_data(path_, fmt::format("it has no array for input '{}', only {}", input.name,
                                       held.empty() ? "none" : held));
  }

  std::filesystem::path path_;
  int64_t batch_;
  int64_t samples_ = 0;
  int64_t done_ = 0;
  bool is_fixed_ = false;
  Arrays arrays_;
};

// A file for each sample, or for several, read as they are wanted.
class FilesSource : public CalibrationSource {
 public:
  FilesSource(std::vector<std::filesystem::path> files, int64_t batch)
      : files_(std::move(files)), batch_(batch) {}

  Status begin(const std::vector<TensorInfo>& inputs) override {
    if (inputs.size() != 1) {
      return bad_data(files_[0].parent_path(),
                      fmt::format("the model has {} inputs, and no file is named like one of them "
                                  "('{}.npy')",
                                  inputs.size(), inputs[0].name));
    }
    input_ = inputs[0];
    batch_ = batch_of(inputs, batch_);
    return Status::ok();
  }

  // Whole files; single samples until there is a batch of them.
  Result<std::optional<Arrays>> next() override {
    std::vector<Tensor> samples;
    while (next_ < files_.size()) {
      const std::filesystem::path& file = files_[next_];
      PENSTOCK_ASSIGN_OR_RETURN(Tensor read, read_npy(file, input_.dtype));
      PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, as_type(std::move(read), input_, file));
      const size_t rank = input_.shape.size();
      if (tensor.shape().size() == rank) {
        if (!samples.empty()) break;  // another turn
        ++next_;
        return std::optional(Arrays{{input_.name, std::move(tensor)}});
      }
      if (tensor.shape().size() + 1 != rank) {
        return bad_data(file, fmt::format("shape {} fits neither input '{}' of {} axes nor one of "
                                          "its samples",
                                          to_string(tensor.shape()), input_.name, rank));
      }
      if (!samples.empty() && tensor.shape() != samples[0].shape()) break;
      ++next_;
      samples.push_back(std::move(tensor));
      if (static_cast<int64_t>(samples.size()) == batch_) break;
    }
    if (samples.empty()) return std::optional<Arrays>();
    return std::optional(Arrays{{input_.name, stack(samples)}});
  }

 private:
  static Tensor stack(const std::vector<Tensor>& samples) {
    Shape shape = samples[0].shape();
    shape.insert(shape.begin(), static_cast<int64_t>(samples.size()));
    Tensor result(samples[0].dtype(), shape);
    auto* to = static_cast<std::byte*>(result.data());
    for (const Tensor& sample : samples) {
      std::memcpy(to, sample.data(), sample.bytes());
      to += sample.bytes();
    }
    return result;
  }

  std::vector<std::filesystem::path> files_;
  int64_t batch_;
  size_t next_ = 0;
  TensorInfo input_;
};

// One of the two: arrays where a file is named like an input.
class FolderSource : public CalibrationSource {
 public:
  FolderSource(std::filesystem::path path, std::vector<std::filesystem::path> files, int64_t batch)
      : path_(std::move(path)), files_(std::move(files)), batch_(batch) {}

  Status begin(const std::vector<TensorInfo>& inputs) override {
    const bool has_arrays = std::any_of(inputs.begin(), inputs.end(), [&](const TensorInfo& input) {
      return std::filesystem::exists(path_ / (input.name + ".npy"));
    });
    if (has_arrays) {
      source_ = std::make_unique<ArraysSource>(path_, batch_);
    } else {
      source_ = std::make_unique<FilesSource>(std::move(files_), batch_);
    }
    return source_->begin(inputs);
  }
  Result<std::optional<Arrays>> next() override { return source_->next(); }
  std::optional<int64_t> batch_count() const override { return source_->batch_count(); }

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> files_;
  int64_t batch_;
  std::unique_ptr<CalibrationSource> source_;
};

}  // namespace

Result<std::unique_ptr<CalibrationSource>> open_calibration_data(const std::filesystem::path& path,
                                                                 int64_t batch,
                                                                 ImagePreparation images) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Status(StatusCode::kNotFound, "no calibration data at '" + path.string() + "'");
  }
  if (!std::filesystem::is_directory(path, error)) {
    if (path.extension() == ".npz") return {std::make_unique<ArraysSource>(path, batch)};
    return bad_data(path, "give a .npz file, or a folder of .npy files or images");
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().extension() == ".npy") files.push_back(entry.path());
  }
  if (error) return bad_data(path, error.message());
  if (files.empty()) {
    files = find_images(path);
    if (files.empty()) return bad_data(path, "the folder has no .npy files, and no images");
    return open_images(std::move(files), batch, std::move(images));
  }
  std::sort(files.begin(), files.end());
  return {std::make_unique<FolderSource>(path, std::move(files), batch)};
}

}  // namespace penstock::cli
