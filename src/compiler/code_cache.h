// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "backends/device_code.h"
#include "base/mapped_file.h"

namespace penstock::compiler {

// Device code that builds have made, beside the timing cache: a build that finds its own there
// compiles nothing again, and gives the bytes that the last one gave, which NVIDIA's libraries do
// not promise.
class CodeCache {
 public:
  // Beside `timing_cache`, under its name and ".code". No file, or no path, is an empty cache; a
  // file that is damaged or of another format is one too, and is replaced.
  static Result<CodeCache> load(const std::filesystem::path& timing_cache);

  // Views of what the file holds, for as long as this lives.
  const std::vector<backends::CodeView>& views() const { return views_; }
  // What the file holds and `made` together, where `made` has what the file lacks.
  Status save(const std::vector<backends::CodeItem>& made) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<backends::CodeView> views_;
};

}  // namespace penstock::compiler
