// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/npy.h"
#include "cli/npz.h"

namespace penstock::cli {
namespace {

// Every .npy file of a folder, by its name.
Result<Arrays> read_folder(const std::filesystem::path& folder) {
  Arrays arrays;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".npy") continue;
    PENSTOCK_ASSIGN_OR_RETURN(arrays[entry.path().stem().string()], read_npy(entry.path()));
  }
  if (!error && !arrays.empty()) return arrays;
  return Status(StatusCode::kInvalidArgument,
                "'" + folder.string() + "': " + (error ? error.message() : "no .npy files in it"));
}

}  // namespace

void MetricFlags::add_to(CLI::App& command) {
  command.add_option("--judged-output", options.output,
                     "Output that the metric judges (default: the only one; for answers "
                     "start_logits,end_logits)");
  command.add_option("--labels", options.labels,
                     "Array of the right answers (default: labels or label; for answers: answers)");
  command
      .add_option("--batch-size", batch, "Samples that run at once (default: what is tuned for)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--samples", samples, "Evaluate the first so many samples (default: all)")
      ->check(CLI::NonNegativeNumber);
}

Result<Arrays> read_arrays(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Status(StatusCode::kNotFound, "no data at '" + path + "'");
  }
  Result<Arrays> arrays =
      std::filesystem::is_directory(path, error) ? read_folder(path) : read_npz(path);
  PENSTOCK_RETURN_IF_ERROR(arrays.status());
  return arrays;
}

}  // namespace penstock::cli
