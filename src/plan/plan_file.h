// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/plan.h>
#include <penstock/status.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/device_code.h"
#include "plan/program.h"

namespace penstock::plan {

// The file format's number: a reader refuses files of a higher one, and says so.
inline constexpr uint32_t kFormatVersion = 4;

// A constant on its way into a file. Slots refer to it by offset.
struct ConstantData {
  uint64_t offset = 0;
  const void* data = nullptr;
  uint64_t bytes = 0;
};

class PlanFile;

// Makes the device code of a plan that is complete but for that. Ascending by key.
using MakeCode = std::function<Result<std::vector<backends::CodeItem>>(PlanFile draft)>;

// Writes a plan: header, program, build report, constants, device code where something makes it.
// The file appears under its name only when it is complete; on any error, a full disk included,
// nothing is left behind.
Status write_plan(const std::filesystem::path& path, const Contents& contents,
                  const std::string& report, const std::vector<ConstantData>& constants,
                  const MakeCode& make_code = nullptr);

// The same bytes in memory.
Result<Plan> make_plan(const Contents& contents, const std::string& report,
                       const std::vector<ConstantData>& constants,
                       const MakeCode& make_code = nullptr);

// An opened plan: checked, and either mapped, its constants shared with every other process that
// maps it, or in memory.
class PlanFile {
 public:
  // Refuses, each with its own message: what is no plan, truncated or longer files, newer formats,
  // and contents that do not match their checksums.
  static Result<PlanFile> open(const std::filesystem::path& path);
  // The same of a plan in memory.
  static Result<PlanFile> from_memory(Plan bytes);

  const Contents& contents() const { return contents_; }
  // For messages: the path in quotes, or "the plan in memory".
  const std::string& label() const { return label_; }
  // The build report as JSON, parsed by whoever wants it.
  std::string_view report() const;
  const std::byte* constants() const { return constants_; }
  uint64_t constants_bytes() const { return constants_bytes_; }
  // Views into the file.
  const std::vector<backends::CodeView>& code() const { return code_; }
  uint64_t file_bytes() const { return bytes_.size(); }

 private:
  PlanFile() = default;
  static Result<PlanFile> check(std::string label, Plan bytes);

  std::string label_;
  Plan bytes_;
  Contents contents_;
  const std::byte* constants_ = nullptr;
  uint64_t constants_bytes_ = 0;
  std::string_view report_;
  std::vector<backends::CodeView> code_;
};

}  // namespace penstock::plan
