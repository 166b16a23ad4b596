// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>

namespace penstock::importer {

// An error unless `name` is UTF-8, as ONNX demands: names end up in JSON, which holds nothing else.
// `what` says what bears the name.
Status check_name(const std::string& name, const char* what);

}  // namespace penstock::importer
