// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "serve/http/message.h"
#include "serve/server.h"

namespace penstock::serve::http {

// Reads the request's body, hands it to the server, and sends what it answers.
void start_inference(ModelServer& server, const std::string& model, const std::string& version,
                     Request request, const Limits& limits, std::shared_ptr<Exchange> exchange);

}  // namespace penstock::serve::http
