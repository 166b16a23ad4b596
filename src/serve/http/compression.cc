// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/compression.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "serve/buffer_pool.h"

namespace penstock::serve::http {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way to say gzip
constexpr int kZlibWindow = 15;
constexpr size_t kAlignment = 64;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The weight behind "name;q=0.5"; 1 without one.
double weight_of(std::string_view parameters) {
  const size_t at = parameters.find("q=");
  if (at == std::string_view::npos) return 1;
  double weight = 0;
  const std::string_view text = parameters.substr(at + 2);
  std::from_chars(text.data(), text.data() + text.size(), weight);
  return weight;
}

uInt clamped(size_t size) {
  return static_cast<uInt>(std::min<size_t>(size, std::numeric_limits<uInt>::max()));
}

// Grows by doubling, the binary part aligned, the beginning kept.
class Output {
 public:
  explicit Output(uint64_t json_length)
      : shift_((kAlignment - json_length % kAlignment) % kAlignment) {}

  bool grow(size_t size) {
    std::shared_ptr<std::byte> memory =
        BufferPool::shared()->take(shift_ + size + Request::kPadding);
    if (memory == nullptr) return false;
    if (filled > 0) std::memcpy(memory.get() + shift_, begin(), filled);
    memory_ = std::move(memory);
    this->size = size;
    return true;
  }
  std::byte* begin() const { return memory_.get() + shift_; }
  std::shared_ptr<std::byte> take() { return std::move(memory_); }

  size_t filled = 0;
  size_t size = 0;

 private:
  size_t shift_;
  std::shared_ptr<std::byte> memory_;
};

class Inflater {
 public:
  explicit Inflater(Encoding encoding) {
    is_ready_ =
        inflateInit2(&stream_, encoding == Encoding::kGzip ? kGzipWindow : kZlibWindow) == Z_OK;
  }
  ~Inflater() {
    if (is_ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool is_ready() const { return is_ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool is_ready_ = false;
};

}  // namespace

std::optional<Encoding> parse_encoding(std::string_view value) {
  value = trimmed(value);
  if (value.empty() || value == "identity") return Encoding::kIdentity;
  if (value == "gzip" || value == "x-gzip") return Encoding::kGzip;
  if (value == "deflate") return Encoding::kDeflate;
  return std::nullopt;
}

Encoding choose_encoding(std::string_view accept_encoding) {
  Encoding best = Encoding::kIdentity;
  double best_weight = 0;
  while (!accept_encoding.empty()) {
    const size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view name = trimmed(item.substr(0, semicolon));
    const double weight = weight_of(item.substr(semicolon));
    const std::optional<Encoding> encoding = parse_encoding(name);
    if (name.empty() || !encoding || weight <= best_weight) continue;
    best = *encoding;
    best_weight = weight;
  }
  return best;
}

std::string_view name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kGzip: return "gzip";
    case Encoding::kDeflate: return "deflate";
    case Encoding::kIdentity: break;
  }
  return "identity";
}

Answer<Decompressed> decompress(std::string_view bytes, Encoding encoding, uint64_t json_length,
                                size_t most_bytes) {
  const auto wrong = [](std::string text) {
    return Error(ErrorCode::kInvalidArgument, std::move(text));
  };
  const Error no_memory(ErrorCode::kUnavailable, "no memory for the request's body");
  Inflater inflater(encoding);
  Output output(json_length);
  constexpr size_t kFirst = 16 << 10;
  const size_t guess =
      std::max(kFirst, bytes.size() > most_bytes / 4 ? most_bytes : bytes.size() * 4);
  if (!inflater.is_ready() || !output.grow(std::min(guess, most_bytes))) return no_memory;
  z_stream& stream = inflater.stream();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  size_t unread = bytes.size();
  while (true) {
    const uInt given = clamped(unread);
    // One byte more than the limit, in the padding, tells data that passes it from data that ends.
    const size_t room = output.size - output.filled + (output.size == most_bytes ? 1 : 0);
    stream.avail_in = given;
    stream.next_out = reinterpret_cast<Bytef*>(output.begin() + output.filled);
    stream.avail_out = clamped(room);
    const uInt room_given = stream.avail_out;
    const int result = inflate(&stream, Z_NO_FLUSH);
    unread -= given - stream.avail_in;
    output.filled += room_given - stream.avail_out;
    if (output.filled > most_bytes) {
      return wrong("the request's body is larger than the limit of " + std::to_string(most_bytes) +
                   " bytes after decompression");
    }
    if (result == Z_STREAM_END) break;
    if (result != Z_OK && result != Z_BUF_ERROR) {
      return wrong("the request's body is not what Content-Encoding says");
    }
    if (output.filled == output.size && output.size < most_bytes) {
      if (!output.grow(std::min(most_bytes, output.size * 2))) return no_memory;
    } else if (unread == 0) {
      return wrong("the request's compressed body ends too early");
    } else if (result == Z_BUF_ERROR) {
      return wrong("the request's body is not what Content-Encoding says");
    }
  }
  std::memset(output.begin() + output.filled, 0, Request::kPadding);
  Decompressed done;
  done.bytes = {reinterpret_cast<const char*>(output.begin()), output.filled};
  done.memory = output.take();
  return done;
}

Error compress(Response& response, Encoding encoding) {
  if (encoding == Encoding::kIdentity) return {};
  z_stream stream{};
  const int window = encoding == Encoding::kGzip ? kGzipWindow : kZlibWindow;
  constexpr int kMemoryLevel = 8;
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return {ErrorCode::kInternal, "the response could not be compressed"};
  }
  std::string packed;
  const auto put = [&](const void* data, size_t size, bool is_last) {
    stream.next_in = static_cast<Bytef*>(const_cast<void*>(data));
    do {
      const uInt given = clamped(size);
      stream.avail_in = given;
      const size_t filled = packed.size();
      packed.resize(filled + deflateBound(&stream, given) + kAlignment);
      stream.next_out = reinterpret_cast<Bytef*>(packed.data() + filled);
      stream.avail_out = clamped(packed.size() - filled);
      const uInt room = stream.avail_out;
      deflate(&stream, is_last && given == size ? Z_FINISH : Z_NO_FLUSH);
      packed.resize(filled + room - stream.avail_out);
      size -= given - stream.avail_in;
    } while (size > 0);
  };
  put(response.text.data(), response.text.size(), response.parts.empty());
  for (size_t i = 0; i < response.parts.size(); ++i) {
    put(response.parts[i].data(), response.parts[i].size(), i + 1 == response.parts.size());
  }
  deflateEnd(&stream);
  response.text = std::move(packed);
  response.parts.clear();
  response.owner.reset();
  response.fields += "Content-Encoding: " + std::string(name_of(encoding)) + "\r\n";
  return {};
}

}  // namespace penstock::serve::http
