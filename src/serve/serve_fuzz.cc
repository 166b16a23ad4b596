// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What clients and configurations send the server. The first byte says which reader gets the rest:
// the head of a request, the body of an inference request (JSON, and JSON of a length with binary
// behind it), a compressed body, the target of a request, a configuration as text and as JSON.
#include <cstdlib>
#include <cstring>
#include <string>

#include "serve/base64.h"
#include "serve/http/compression.h"
#include "serve/http/head_parser.h"
#include "serve/http/infer_request.h"
#include "serve/http/router.h"
#include "serve/message_json.h"
#include "serve/model_config.h"

namespace penstock::serve {
namespace {

void read_head(std::string_view text) {
  http::Limits limits;
  limits.header_bytes = 1024;
  limits.body_bytes = 4096;
  http::HeadParser parser(limits);
  // In pieces, as sockets bring it: unused bytes come again.
  std::string unread;
  constexpr size_t kPiece = 7;
  for (size_t at = 0; at < text.size(); at += kPiece) {
    unread += text.substr(at, kPiece);
    const auto progress = parser.put(unread);
    if (!progress.error.is_ok()) return;
    if (progress.consumed > unread.size()) std::abort();
    unread.erase(0, progress.consumed);
    if (parser.chunks().size() > limits.body_bytes) std::abort();
    if (parser.state() == http::HeadParser::State::kDone) return;
  }
}

// Reads each element that the parsed request claims to have.
void touch(const TensorView& tensor) {
  if (tensor.dtype == DataType::kString) {
    std::string bytes;
    serialize_strings(tensor, bytes);
    if (bytes.size() != serialized_size(tensor)) std::abort();
    return;
  }
  std::string copy(tensor.bytes, '\0');
  if (!copy.empty()) std::memcpy(copy.data(), tensor.data, copy.size());
}

void read_inference(std::string_view text, bool has_length) {
  std::optional<uint64_t> length;
  if (has_length && text.size() >= 2) {
    length = static_cast<unsigned char>(text[0]) * 256U + static_cast<unsigned char>(text[1]);
    text.remove_prefix(2);
  }
  std::string body(text);
  body.append(http::Request::kPadding, '\0');
  const auto parsed = http::parse_inference({body.data(), text.size()}, length, http::Limits());
  if (!parsed.is_ok()) return;
  for (const TensorView& tensor : parsed->inputs) touch(tensor);
}

void read_compressed(std::string_view text) {
  constexpr size_t kMost = 1 << 16;
  for (const auto encoding : {http::Encoding::kGzip, http::Encoding::kDeflate}) {
    const auto plain = http::decompress(text, encoding, text.size(), kMost);
    if (plain.is_ok() && plain->bytes.size() > kMost) std::abort();
  }
}

void read_config(const std::string& text, bool is_json) {
  Result<inference::ModelConfig> config =
      is_json ? parse_config_json(text) : parse_config_text(text, "config.pbtxt");
  if (!config.is_ok() || !check_config(*config, "model").is_ok()) return;
  const std::vector<TensorInfo> inputs = {{"x", DataType::kFloat32, {-1, 4}, {"batch", "4"}}};
  Completion completion;
  completion.model_file = "model.onnx";
  if (complete_config(*config, inputs, inputs, completion).is_ok()) (void)to_json(*config);
}

}  // namespace
}  // namespace penstock::serve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::serve;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0]) {
    case 'H': read_head(text); break;
    case 'J': read_inference(text, false); break;
    case 'B': read_inference(text, true); break;
    case 'Z': read_compressed(text); break;
    case 'R': (void)http::find_route(text); break;
    case 'C': read_config(text, false); break;
    case 'K': read_config(text, true); break;
    case '6':
      if (const auto bytes = decode_base64(text);
          bytes && encode_base64(*bytes).size() != text.size()) {
        std::abort();
      }
      break;
    default: break;
  }
  return 0;
}
