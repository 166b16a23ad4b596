// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "ops/image/formats.h"

namespace penstock::ops {
namespace {

// A file in memory, as OpenJPEG wants to read it.
struct Reader {
  Encoded bytes;
  size_t at = 0;
};

OPJ_SIZE_T read(void* to, OPJ_SIZE_T size, void* data) {
  auto& reader = *static_cast<Reader*>(data);
  const size_t count = std::min<size_t>(size, reader.bytes.size() - reader.at);
  if (count == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(to, reader.bytes.data() + reader.at, count);
  reader.at += count;
  return count;
}

OPJ_BOOL seek(OPJ_OFF_T offset, void* data) {
  auto& reader = *static_cast<Reader*>(data);
  if (offset < 0 || static_cast<size_t>(offset) > reader.bytes.size()) return OPJ_FALSE;
  reader.at = static_cast<size_t>(offset);
  return OPJ_TRUE;
}

OPJ_OFF_T skip(OPJ_OFF_T count, void* data) {
  const auto at = static_cast<OPJ_OFF_T>(static_cast<Reader*>(data)->at);
  return seek(at + count, data) == OPJ_TRUE ? count : -1;
}

struct DestroyStream {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};
struct DestroyCodec {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
};
struct DestroyImage {
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};

uint8_t sample(const opj_image_comp_t& component, size_t i) {
  int64_t value = component.data[i];
  if (component.sgnd != 0) value += int64_t{1} << (component.prec - 1);
  const int64_t largest = (int64_t{1} << component.prec) - 1;
  return static_cast<uint8_t>(std::clamp<int64_t>(value, 0, largest) * 255 / largest);
}

// Grey or colour, all components as large as the image; others are not read.
std::optional<Image> to_image(const opj_image_t& decoded) {
  if (decoded.numcomps < 1 || decoded.color_space == OPJ_CLRSPC_SYCC) return std::nullopt;
  const uint32_t channels = decoded.numcomps < 3 ? 1 : 3;
  const opj_image_comp_t& first = decoded.comps[0];
  for (uint32_t c = 0; c < channels; ++c) {
    const opj_image_comp_t& component = decoded.comps[c];
    if (component.data == nullptr || component.w != first.w || component.h != first.h ||
        component.prec < 1 || component.prec > 31) {
      return std::nullopt;
    }
  }
  std::optional<Image> image = make_image(first.h, first.w);
  for (size_t i = 0; image && i < image->rgb.size(); ++i) {
    image->rgb[i] = sample(decoded.comps[channels == 1 ? 0 : i % 3], i / 3);
  }
  return image;
}

}  // namespace

std::optional<Image> decode_jpeg2000(Encoded bytes) {
  const bool is_bare = bytes.size() > 1 && bytes[0] == 0xFF;  // a codestream without its container
  Reader reader{bytes};
  const std::unique_ptr<opj_codec_t, DestroyCodec> codec(
      opj_create_decompress(is_bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
  const std::unique_ptr<opj_stream_t, DestroyStream> stream(opj_stream_default_create(OPJ_TRUE));
  if (codec == nullptr || stream == nullptr) return std::nullopt;
  opj_stream_set_user_data(stream.get(), &reader, nullptr);
  opj_stream_set_user_data_length(stream.get(), bytes.size());
  opj_stream_set_read_function(stream.get(), read);
  opj_stream_set_seek_function(stream.get(), seek);
  opj_stream_set_skip_function(stream.get(), skip);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* raw = nullptr;
  const bool has_header = opj_setup_decoder(codec.get(), &parameters) == OPJ_TRUE &&
                          opj_read_header(stream.get(), codec.get(), &raw) == OPJ_TRUE;
  const std::unique_ptr<opj_image_t, DestroyImage> decoded(raw);
  if (!has_header || decoded == nullptr ||
      !make_image(int64_t{decoded->y1} - decoded->y0, int64_t{decoded->x1} - decoded->x0) ||
      opj_decode(codec.get(), stream.get(), decoded.get()) != OPJ_TRUE ||
      opj_end_decompress(codec.get(), stream.get()) != OPJ_TRUE) {
    return std::nullopt;
  }
  return to_image(*decoded);
}

}  // namespace penstock::ops
