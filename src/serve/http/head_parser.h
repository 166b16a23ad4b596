// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "serve/http/message.h"

namespace penstock::serve::http {

// Reads one request of HTTP/1.1 from bytes as they come, on the parser of Boost.Beast. A body with
// a known length is not read here: whoever reads the connection puts it where it belongs.
class HeadParser {
 public:
  enum class State { kHead, kBodyFollows, kChunks, kDone };
  struct Progress {
    size_t consumed = 0;
    Error error;
    int status = 400;  // of HTTP, for the error
  };

  explicit HeadParser(const Limits& limits);
  ~HeadParser();

  // Takes what it can use from the front of `bytes`.
  Progress put(std::string_view bytes);

  State state() const;
  Head& head();
  std::string& chunks();  // the body that came in chunks

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::serve::http
