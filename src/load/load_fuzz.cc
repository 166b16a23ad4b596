// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What a server may send: HTTP responses in pieces, and descriptions of models. The first byte says
// which, and how long the pieces are.
#include <cstdlib>

#include "load/http_response.h"
#include "load/model.h"

namespace {

using penstock::load::HttpResponse;

// What is read does not depend on the pieces in which it came.
void read_in_pieces(std::string_view text, size_t piece) {
  HttpResponse whole(1000);
  HttpResponse parts(1000);
  std::string_view rest = text;
  const bool good = whole.read(rest);
  bool parts_good = true;
  for (size_t i = 0; i < text.size() && parts_good && !parts.done(); i += piece) {
    std::string_view bytes = text.substr(i, piece);
    parts_good = parts.read(bytes);
  }
  if (good != parts_good || whole.done() != parts.done()) std::abort();
  if (good && (whole.status() != parts.status() || whole.body() != parts.body())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0]) {
    case 'J': (void)penstock::load::parse_json_description(text); break;
    case 'P': (void)penstock::load::parse_grpc_description(text); break;
    default: read_in_pieces(text, data[0] % 16 + 1);
  }
  return 0;
}
