// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>

#include "ops/families.h"
#include "ops/image/formats.h"
#include "ops/op_definition.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

struct Format {
  std::string_view name;
  std::string_view magic;
  std::optional<Image> (*decode)(Encoded) = nullptr;  // null: known, but not read
};

using namespace std::string_view_literals;

constexpr Format kFormats[] = {
    {"JPEG", "\xFF\xD8\xFF"sv, decode_jpeg},
    {"PNG", "\x89PNG\r\n\x1A\n"sv, decode_png},
    {"WebP", "RIFF"sv, decode_webp},
    {"BMP", "BM"sv, decode_bmp},
    {"PBM", "P1"sv, decode_pnm},
    {"PGM", "P2"sv, decode_pnm},
    {"PPM", "P3"sv, decode_pnm},
    {"PBM", "P4"sv, decode_pnm},
    {"PGM", "P5"sv, decode_pnm},
    {"PPM", "P6"sv, decode_pnm},
    {"TIFF", "II*\0"sv, decode_tiff},
    {"TIFF", "MM\0*"sv, decode_tiff},
    {"JPEG 2000", "\0\0\0\x0CjP  "sv, decode_jpeg2000},
    {"JPEG 2000", "\xFF\x4F\xFF\x51"sv, decode_jpeg2000},
    {"GIF", "GIF8"sv},
};

const Format* format_of(Encoded bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : kFormats) {
    if (text.substr(0, format.magic.size()) == format.magic) return &format;
  }
  return nullptr;
}

bool is_pixel_format(const std::string& name) {
  return name == "RGB" || name == "BGR" || name == "Grayscale";
}

Status infer(InferContext& context) {
  const std::string format = context.attributes().get_string("pixel_format", "RGB");
  if (!is_pixel_format(format)) {
    return context.error("pixel_format is '" + format + "'; there are RGB, BGR and Grayscale");
  }
  if (context.dtype(0) != DataType::kUInt8 || context.rank(0) != 1) {
    return context.error("takes the bytes of a file, uint8[n], not " +
                         std::string(to_string(context.dtype(0))) +
                         ir::to_string(context.shape(0)));
  }
  const ir::Dim channels = format == "Grayscale" ? 1 : 3;
  context.set_output(0, DataType::kUInt8,
                     {context.fresh_symbol(), context.fresh_symbol(), channels});
  return Status::ok();
}

// Luma of ITU-R BT.601, in 16 bits after the point.
uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

// What cannot be decoded is an image without pixels, as ONNX has it.
Status reference(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const Encoded bytes(x.as<const uint8_t>(), static_cast<size_t>(x.count()));
  const Format* format = format_of(bytes);
  if (format != nullptr && format->decode == nullptr) {
    return {
        StatusCode::kUnsupported,
        std::string(format->name) +
            " images are not read; JPEG, JPEG 2000, PNG, WebP, TIFF, BMP, PBM, PGM and PPM are"};
  }
  std::optional<Image> image;
  if (format != nullptr) image = format->decode(bytes);
  if (!image) image = Image();
  const std::string pixels = node.attributes.get_string("pixel_format", "RGB");
  const int64_t channels = pixels == "Grayscale" ? 1 : 3;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y,
                            run.output(0, {image->height, image->width, channels}));
  auto* to = y.as<uint8_t>();
  if (pixels == "RGB") std::copy(image->rgb.begin(), image->rgb.end(), to);
  for (size_t i = 0; pixels != "RGB" && i < image->rgb.size(); i += 3) {
    const uint8_t* rgb = image->rgb.data() + i;
    to = channels == 1 ? std::fill_n(to, 1, luma(rgb)) : std::reverse_copy(rgb, rgb + 3, to);
  }
  return Status::ok();
}

const OpDefinition kImageDecoder = {.name = "ImageDecoder",
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .infer = infer,
                                    .reference = reference};

}  // namespace

OpList image_ops() { return {&kImageDecoder}; }

}  // namespace penstock::ops
