// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/calibration_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <iterator>

#include "ops/image/formats.h"

namespace penstock::cli {
namespace {

using Arrays = std::map<std::string, Tensor>;

std::optional<ops::Image> decode(ops::Encoded bytes) {
  constexpr std::optional<ops::Image> (*kFormats[])(ops::Encoded) = {
      ops::decode_jpeg, ops::decode_png,      ops::decode_webp, ops::decode_bmp,
      ops::decode_tiff, ops::decode_jpeg2000, ops::decode_pnm};
  for (const auto format : kFormats) {
    if (std::optional<ops::Image> image = format(bytes)) return image;
  }
  return std::nullopt;
}

// Where a result's element lies among those of a line, and what each weighs.
struct Taps {
  int64_t first = 0;
  std::vector<float> weights;
};

// A line of `length` elements scaled by `scale` (results a source), of which `wanted` around the
// middle are kept.
std::vector<Taps> triangle_filter(int64_t length, double scale, int64_t wanted) {
  const double support = std::max(1.0, 1.0 / scale);
  const double offset = (static_cast<double>(length) * scale - static_cast<double>(wanted)) / 2;
  std::vector<Taps> taps(static_cast<size_t>(wanted));
  for (int64_t i = 0; i < wanted; ++i) {
    const double center = (static_cast<double>(i) + offset + 0.5) / scale;
    const auto first = std::max<int64_t>(0, std::llround(std::floor(center - support)));
    const auto end = std::min<int64_t>(length, std::llround(std::ceil(center + support)));
    Taps& at = taps[static_cast<size_t>(i)];
    at.first = std::min(first, length - 1);
    double sum = 0;
    for (int64_t j = at.first; j < std::max(end, at.first + 1); ++j) {
      const double distance = std::abs(static_cast<double>(j) + 0.5 - center) / support;
      at.weights.push_back(static_cast<float>(std::max(0.0, 1.0 - distance)));
      sum += at.weights.back();
    }
    for (float& weight : at.weights) weight = sum > 0 ? weight / static_cast<float>(sum) : 1.0f;
  }
  return taps;
}

// [height, width, 3], pixels of 0 to 255.
std::vector<float> cover(const ops::Image& image, int64_t height, int64_t width) {
  const double scale = std::max(static_cast<double>(height) / static_cast<double>(image.height),
                                static_cast<double>(width) / static_cast<double>(image.width));
  const std::vector<Taps> columns = triangle_filter(image.width, scale, width);
  const std::vector<Taps> rows = triangle_filter(image.height, scale, height);
  std::vector<float> narrow(static_cast<size_t>(image.height * width * 3));
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const Taps& taps = columns[static_cast<size_t>(x)];
      float* to = &narrow[static_cast<size_t>((y * width + x) * 3)];
      const uint8_t* from = &image.rgb[static_cast<size_t>((y * image.width + taps.first) * 3)];
      for (const float weight : taps.weights) {
        for (int c = 0; c < 3; ++c) to[c] += weight * static_cast<float>(*from++);
      }
    }
  }
  std::vector<float> result(static_cast<size_t>(height * width * 3));
  const int64_t row = width * 3;
  for (int64_t y = 0; y < height; ++y) {
    const Taps& taps = rows[static_cast<size_t>(y)];
    for (size_t t = 0; t < taps.weights.size(); ++t) {
      const float* from =
          &narrow[static_cast<size_t>((taps.first + static_cast<int64_t>(t)) * row)];
      float* to = &result[static_cast<size_t>(y * row)];
      for (int64_t x = 0; x < row; ++x) to[x] += taps.weights[t] * from[x];
    }
  }
  return result;
}

class ImagesSource : public CalibrationSource {
 public:
  ImagesSource(std::vector<std::filesystem::path> files, int64_t batch,
               ImagePreparation preparation)
      : files_(std::move(files)), batch_(batch), preparation_(std::move(preparation)) {}

  Status begin(const std::vector<TensorInfo>& inputs) override {
    if (inputs.size() != 1) {
      return bad(
          fmt::format("the model has {} inputs, and images are data for one: give a .npz "
                      "file with an array for each",
                      inputs.size()));
    }
    input_ = inputs[0];
    Shape shape = input_.shape;
    const auto range = preparation_.profile.inputs.find(input_.name);
    if (range != preparation_.profile.inputs.end() && range->second.opt.size() == shape.size()) {
      for (size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] < 0) shape[i] = range->second.opt[i];
      }
    }
    const auto is_channels = [](int64_t extent) { return extent == 1 || extent == 3; };
    const bool is_type = input_.dtype == DataType::kFloat32 || input_.dtype == DataType::kUInt8;
    if (shape.size() != 4 || !is_type || !(is_channels(shape[1]) || is_channels(shape[3]))) {
      return bad(
          fmt::format("input '{}', {} {}, takes no images: those are float32 or uint8, "
                      "[N, C, H, W] or [N, H, W, C] of 1 or 3 channels",
                      input_.name, to_string(input_.dtype), to_string(input_.shape)));
    }
    channels_first_ = is_channels(shape[1]);
    channels_ = channels_first_ ? shape[1] : shape[3];
    height_ = channels_first_ ? shape[2] : shape[1];
    width_ = channels_first_ ? shape[3] : shape[2];
    if (height_ <= 0 || width_ <= 0) {
      return bad(fmt::format("input '{}', {}, has no fixed size of images: give --opt-shapes {}:{}",
                             input_.name, to_string(input_.shape), input_.name,
                             channels_first_ ? "1x3x224x224" : "1x224x224x3"));
    }
    if (input_.shape[0] > 0) batch_ = input_.shape[0];
    return find_normalization();
  }

  Result<std::optional<Arrays>> next() override {
    const size_t count = std::min(static_cast<size_t>(batch_), files_.size() - done_);
    const bool is_fixed = input_.shape[0] > 0;
    if (count == 0 || (is_fixed && count < static_cast<size_t>(batch_))) {
      return std::optional<Arrays>();
    }
    Shape shape = {static_cast<int64_t>(count), height_, width_, channels_};
    if (channels_first_) shape = {static_cast<int64_t>(count), channels_, height_, width_};
    Tensor batch(input_.dtype, shape);
    for (size_t i = 0; i < count; ++i) {
      PENSTOCK_RETURN_IF_ERROR(read(files_[done_ + i], batch, i));
    }
    done_ += count;
    return std::optional(Arrays{{input_.name, std::move(batch)}});
  }

  std::optional<int64_t> batch_count() const override {
    const auto files = static_cast<int64_t>(files_.size());
    return input_.shape[0] > 0 ? files / batch_ : (files + batch_ - 1) / batch_;
  }

 private:
  Status bad(const std::string& why) const {
    return {StatusCode::kInvalidArgument, fmt::format("calibration images '{}' and {} more: {}",
                                                      files_[0].string(), files_.size() - 1, why)};
  }

  Status find_normalization() {
    mean_.assign(static_cast<size_t>(channels_), 0.0f);
    deviation_.assign(static_cast<size_t>(channels_), 1.0f);
    const auto contract = preparation_.contracts.find(input_.name);
    if (contract == preparation_.contracts.end() || contract->second.mean.empty()) {
      return Status::ok();
    }
    const size_t given = contract->second.mean.size();
    if (given != 1 && given != mean_.size()) {
      return bad(fmt::format("input '{}' has {} channels, and a mean of {} numbers", input_.name,
                             channels_, given));
    }
    for (size_t c = 0; c < mean_.size(); ++c) {
      mean_[c] = static_cast<float>(contract->second.mean[given == 1 ? 0 : c]);
      deviation_[c] = static_cast<float>(contract->second.deviation[given == 1 ? 0 : c]);
    }
    return Status::ok();
  }

  Status read(const std::filesystem::path& path, Tensor& batch, size_t index) const {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file),
                                  std::istreambuf_iterator<char>()};
    if (!file) {
      return {StatusCode::kIoError, "cannot read calibration image '" + path.string() + "'"};
    }
    const auto image = decode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    if (!image) {
      return {StatusCode::kInvalidArgument,
              "calibration image '" + path.string() + "' is damaged, or of no known format"};
    }
    const std::vector<float> pixels = cover(*image, height_, width_);
    const int64_t area = height_ * width_;
    const int64_t first = static_cast<int64_t>(index) * area * channels_;
    for (int64_t at = 0; at < area; ++at) {
      const float* rgb = &pixels[static_cast<size_t>(at * 3)];
      for (int64_t c = 0; c < channels_; ++c) {
        const float pixel =
            channels_ == 3 ? rgb[c] : 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
        store(pixel, c, batch, first + (channels_first_ ? c * area + at : at * channels_ + c));
      }
    }
    return Status::ok();
  }

  void store(float pixel, int64_t channel, Tensor& batch, int64_t at) const {
    if (input_.dtype == DataType::kUInt8) {
      batch.as<uint8_t>()[static_cast<size_t>(at)] =
          static_cast<uint8_t>(std::clamp(std::nearbyint(pixel), 0.0f, 255.0f));
      return;
    }
    const auto c = static_cast<size_t>(channel);
    batch.as<float>()[static_cast<size_t>(at)] = (pixel / 255.0f - mean_[c]) / deviation_[c];
  }

  std::vector<std::filesystem::path> files_;
  int64_t batch_;
  ImagePreparation preparation_;
  TensorInfo input_;
  bool channels_first_ = true;
  int64_t channels_ = 3, height_ = 0, width_ = 0;
  std::vector<float> mean_, deviation_;
  size_t done_ = 0;
};

}  // namespace

std::vector<std::filesystem::path> find_images(const std::filesystem::path& folder) {
  constexpr std::string_view kEnds[] = {".jpg",  ".jpeg", ".png", ".webp", ".bmp", ".tif",
                                        ".tiff", ".jp2",  ".ppm", ".pgm",  ".pnm"};
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; at != end && !error;
       at.increment(error)) {
    std::string extension = at->path().extension().string();
    for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::find(std::begin(kEnds), std::end(kEnds), extension) != std::end(kEnds)) {
      files.push_back(at->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::unique_ptr<CalibrationSource> open_images(std::vector<std::filesystem::path> files,
                                               int64_t batch, ImagePreparation preparation) {
  return std::make_unique<ImagesSource>(std::move(files), batch, std::move(preparation));
}

}  // namespace penstock::cli
