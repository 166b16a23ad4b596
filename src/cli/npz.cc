// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/npz.h"

#include <zip.h>

#include <memory>
#include <sstream>

#include "cli/npy.h"

namespace penstock::cli {
namespace {

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using Entry = std::unique_ptr<zip_file_t, CloseEntry>;

Result<Archive> open_archive(const std::filesystem::path& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (archive != nullptr) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string why = zip_error_strerror(&error);
  zip_error_fini(&error);
  return Status(code == ZIP_ER_NOENT ? StatusCode::kNotFound : StatusCode::kInvalidArgument,
                "cannot read '" + path.string() + "' as .npz: " + why);
}

// The whole entry; the size that its header tells is only believed as far as bytes follow.
Result<std::string> read_entry(zip_t* archive, zip_uint64_t index, const std::string& name) {
  const Entry entry(zip_fopen_index(archive, index, 0));
  if (entry == nullptr) {
    return Status(StatusCode::kInvalidArgument, "'" + name + "': " + zip_strerror(archive));
  }
  std::string bytes;
  std::string block(1 << 20, '\0');
  while (true) {
    const zip_int64_t count = zip_fread(entry.get(), block.data(), block.size());
    if (count == 0) return bytes;
    if (count < 0) {
      return Status(StatusCode::kInvalidArgument,
                    "'" + name + "': " + zip_file_strerror(entry.get()));
    }
    bytes.append(block, 0, static_cast<size_t>(count));
  }
}

}  // namespace

Result<std::map<std::string, Tensor>> read_npz(const std::filesystem::path& path,
                                               const std::map<std::string, DataType>& wanted) {
  PENSTOCK_ASSIGN_OR_RETURN(const Archive archive, open_archive(path));
  std::map<std::string, Tensor> arrays;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* raw = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    const std::filesystem::path entry(raw == nullptr ? "" : raw);
    if (entry.extension() != ".npy") continue;
    const std::string shown = path.string() + ":" + entry.string();
    PENSTOCK_ASSIGN_OR_RETURN(std::string bytes,
                              read_entry(archive.get(), static_cast<zip_uint64_t>(i), shown));
    std::string name = entry.string();
    name.resize(name.size() - 4);
    const auto type = wanted.find(name);
    std::istringstream stream(std::move(bytes));
    PENSTOCK_ASSIGN_OR_RETURN(
        arrays[name],
        read_npy(stream, shown, type == wanted.end() ? DataType::kUndefined : type->second));
  }
  if (!arrays.empty()) return arrays;
  return Status(StatusCode::kInvalidArgument, "'" + path.string() + "' holds no arrays");
}

}  // namespace penstock::cli
