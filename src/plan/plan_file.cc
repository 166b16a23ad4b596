// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/plan_file.h"

#include <xxhash.h>

#include <array>
#include <cstring>
#include <limits>
#include <thread>

#include "base/mapped_file.h"
#include "base/new_file.h"
#include "plan/code_section.h"
#include "plan/plan_memory.h"

namespace penstock::plan {
namespace {

constexpr std::array<char, 8> kMagic = {'P', 'E', 'N', 'S', 'T', 'O', 'C', 'K'};
constexpr uint64_t kAlignment = 64;

struct Section {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;
};

// Little-endian, as every machine this runs on. Fields are only ever appended.
struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t format_version = kFormatVersion;
  uint32_t header_bytes = 0;
  uint64_t file_bytes = 0;
  Section program;
  Section report;
  Section constants;
  Section code;
  uint64_t header_checksum = 0;  // of the bytes before it
};
static_assert(sizeof(Header) == 128);

uint64_t align(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

// Constants are hashed in chunks so that several threads can share the reading.
constexpr uint64_t kChunk = uint64_t{8} << 20;

uint64_t hash_chunk(const std::byte* data, uint64_t bytes, uint64_t index) {
  const uint64_t begin = index * kChunk;
  return XXH3_64bits_withSeed(data + begin, std::min(kChunk, bytes - begin), index);
}

uint64_t chunked_hash(const std::byte* data, uint64_t bytes) {
  const uint64_t chunks = (bytes + kChunk - 1) / kChunk;
  std::vector<uint64_t> hashes(chunks);
  const uint64_t threads =
      std::min<uint64_t>(chunks, std::max(1U, std::thread::hardware_concurrency()));
  const auto work = [&](uint64_t first) {
    for (uint64_t i = first; i < chunks; i += threads) hashes[i] = hash_chunk(data, bytes, i);
  };
  std::vector<std::thread> helpers;
  for (uint64_t t = 1; t < threads; ++t) helpers.emplace_back(work, t);
  if (threads > 0) work(0);
  for (std::thread& helper : helpers) helper.join();
  return XXH3_64bits(hashes.data(), hashes.size() * sizeof(uint64_t));
}

uint64_t header_hash(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, header_checksum));
}

// The constants section as one run of bytes for hashing is never in memory whole: hash it as
// written.
class ConstantsHasher {
 public:
  void add(const void* data, uint64_t bytes) {
    const char* cursor = static_cast<const char*>(data);
    while (bytes > 0) {
      const uint64_t step = std::min(bytes, kChunk - filled_);
      feed(cursor, step);
      cursor += step;
      bytes -= step;
    }
  }
  void pad_to(uint64_t offset) {
    static constexpr std::array<char, 64> kZeros = {};
    while (total_ < offset) add(kZeros.data(), std::min<uint64_t>(64, offset - total_));
  }
  uint64_t finish() {
    if (filled_ > 0) close_chunk();
    return XXH3_64bits(hashes_.data(), hashes_.size() * sizeof(uint64_t));
  }
  ~ConstantsHasher() { XXH3_freeState(state_); }

 private:
  void feed(const char* data, uint64_t bytes) {
    if (filled_ == 0) XXH3_64bits_reset_withSeed(state_, hashes_.size());
    XXH3_64bits_update(state_, data, bytes);
    filled_ += bytes;
    total_ += bytes;
    if (filled_ == kChunk) close_chunk();
  }
  void close_chunk() {
    hashes_.push_back(XXH3_64bits_digest(state_));
    filled_ = 0;
  }

  XXH3_state_t* state_ = XXH3_createState();
  std::vector<uint64_t> hashes_;
  uint64_t filled_ = 0;
  uint64_t total_ = 0;
};

Status refuse(const std::string& label, const std::string& why) {
  return {StatusCode::kInvalidPlan, label + " " + why};
}

Status check_section(const std::string& label, const Section& section, uint64_t file_bytes) {
  if (section.offset > file_bytes || section.bytes > file_bytes - section.offset ||
      section.offset % kAlignment != 0) {
    return refuse(label, "is corrupted: a section lies outside the file; build the plan again");
  }
  return Status::ok();
}

Result<Header> read_header(const std::string& label, const std::byte* data, uint64_t bytes) {
  Header header;
  if (bytes < sizeof(Header) || std::memcmp(data, kMagic.data(), kMagic.size()) != 0) {
    const bool prefix =
        bytes >= kMagic.size() && std::memcmp(data, kMagic.data(), kMagic.size()) == 0;
    return refuse(
        label,
        prefix
            ? "is truncated: it ends inside its header; build the plan again"
            : "is not a Penstock plan (make one with 'penstock build MODEL.onnx -o MODEL.plan')");
  }
  std::memcpy(&header, data, sizeof(Header));
  if (header.format_version > kFormatVersion) {
    return refuse(label, "has plan format " + std::to_string(header.format_version) +
                             ", newer than this Penstock reads (" + std::to_string(kFormatVersion) +
                             "); update Penstock or build the plan again");
  }
  if (header.format_version < kFormatVersion && header.format_version > 0) {
    return refuse(label, "has plan format " + std::to_string(header.format_version) +
                             ", older than this Penstock reads (" + std::to_string(kFormatVersion) +
                             "); build the plan again");
  }
  if (header.format_version != kFormatVersion || header.header_bytes != sizeof(Header) ||
      header.header_checksum != header_hash(header)) {
    return refuse(label,
                  "is corrupted: its header does not match its checksum; build the plan again");
  }
  if (header.file_bytes != bytes) {
    return refuse(label,
                  (bytes < header.file_bytes ? "is truncated: it has " : "has trailing bytes: ") +
                      std::to_string(bytes) + " of " + std::to_string(header.file_bytes) +
                      " bytes; build the plan again");
  }
  return header;
}

// Takes what NewFile takes, into zeroed memory of the right size.
class NewMemory {
 public:
  explicit NewMemory(std::byte* data) : data_(data) {}

  void write(const void* data, uint64_t bytes) {
    if (bytes > 0) std::memcpy(data_ + position_, data, bytes);
    position_ += bytes;
  }
  void pad_to(uint64_t offset) { position_ = offset; }

 private:
  std::byte* data_;
  uint64_t position_ = 0;
};

// The device code comes last: it is made from the rest, as a draft.
void set_code(Header& header, const std::vector<std::byte>& code) {
  header.code = {0, code.size(), XXH3_64bits(code.data(), code.size())};
  if (!code.empty()) {
    header.code.offset = align(header.file_bytes);
    header.file_bytes = header.code.offset + code.size();
  }
  header.header_checksum = header_hash(header);
}

Header make_header(const std::string& text, const std::string& report,
                   const std::vector<ConstantData>& constants) {
  Header header;
  header.header_bytes = sizeof(Header);
  header.program = {align(sizeof(Header)), text.size(), XXH3_64bits(text.data(), text.size())};
  header.report = {align(header.program.offset + text.size()), report.size(),
                   XXH3_64bits(report.data(), report.size())};
  header.constants.offset = (header.report.offset + report.size() + 4095) / 4096 * 4096;
  ConstantsHasher hasher;
  for (const ConstantData& constant : constants) {
    hasher.pad_to(constant.offset);
    hasher.add(constant.data, constant.bytes);
    header.constants.bytes = constant.offset + constant.bytes;
  }
  header.constants.checksum = hasher.finish();
  header.file_bytes = header.constants.offset + header.constants.bytes;
  set_code(header, {});
  return header;
}

template <typename Sink>
void write_contents(Sink& file, const Header& header, const std::string& text,
                    const std::string& report, const std::vector<ConstantData>& constants) {
  file.write(&header, sizeof(Header));
  file.pad_to(header.program.offset);
  file.write(text.data(), text.size());
  file.pad_to(header.report.offset);
  file.write(report.data(), report.size());
  for (const ConstantData& constant : constants) {
    file.pad_to(header.constants.offset + constant.offset);
    file.write(constant.data, constant.bytes);
  }
  file.pad_to(header.file_bytes);
}

}  // namespace

Status write_plan(const std::filesystem::path& path, const Contents& contents,
                  const std::string& report, const std::vector<ConstantData>& constants,
                  const MakeCode& make_code) {
  const std::string text = to_json(contents);
  Header header = make_header(text, report, constants);
  NewFile file(path);
  write_contents(file, header, text, report, constants);
  if (make_code == nullptr) return file.commit();
  PENSTOCK_RETURN_IF_ERROR(file.status());
  PENSTOCK_ASSIGN_OR_RETURN(PlanFile draft, PlanFile::open(file.temporary_path()));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<backends::CodeItem> items,
                            make_code(std::move(draft)));
  const std::vector<std::byte> code = write_code_section(items);
  set_code(header, code);
  if (!code.empty()) file.pad_to(header.code.offset);
  file.write(code.data(), code.size());
  file.rewrite_begin(&header, sizeof(Header));
  return file.commit();
}

Result<Plan> make_plan(const Contents& contents, const std::string& report,
                       const std::vector<ConstantData>& constants, const MakeCode& make_code) {
  const std::string text = to_json(contents);
  Header header = make_header(text, report, constants);
  const uint64_t draft_bytes = header.file_bytes;
  PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<std::byte> memory, allocate_plan(draft_bytes));
  NewMemory file(memory.get());
  write_contents(file, header, text, report, constants);
  PENSTOCK_ASSIGN_OR_RETURN(Plan plan, Plan::borrow({memory.get(), draft_bytes}, memory));
  if (make_code == nullptr) return plan;
  PENSTOCK_ASSIGN_OR_RETURN(PlanFile draft, PlanFile::from_memory(std::move(plan)));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<backends::CodeItem> items,
                            make_code(std::move(draft)));
  const std::vector<std::byte> code = write_code_section(items);
  if (code.empty()) return Plan::borrow({memory.get(), draft_bytes}, memory);
  set_code(header, code);
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<std::byte> all, allocate_plan(header.file_bytes));
  std::memcpy(all.get(), memory.get(), draft_bytes);
  std::memcpy(all.get(), &header, sizeof(Header));
  std::memcpy(all.get() + header.code.offset, code.data(), code.size());
  return Plan::borrow({all.get(), header.file_bytes}, all);
}

Result<PlanFile> PlanFile::open(const std::filesystem::path& path) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  PENSTOCK_ASSIGN_OR_RETURN(Plan bytes, Plan::borrow(file->data(), file));
  return check("'" + path.string() + "'", std::move(bytes));
}

Result<PlanFile> PlanFile::from_memory(Plan bytes) {
  return check("the plan in memory", std::move(bytes));
}

Result<PlanFile> PlanFile::check(std::string label, Plan bytes) {
  PlanFile plan;
  plan.label_ = std::move(label);
  plan.bytes_ = std::move(bytes);
  const std::byte* data = plan.bytes_.data();
  PENSTOCK_ASSIGN_OR_RETURN(const Header header,
                            read_header(plan.label_, data, plan.bytes_.size()));
  for (const Section* section :
       {&header.program, &header.report, &header.constants, &header.code}) {
    PENSTOCK_RETURN_IF_ERROR(check_section(plan.label_, *section, plan.bytes_.size()));
  }
  plan.constants_ = data + header.constants.offset;
  plan.constants_bytes_ = header.constants.bytes;
  plan.report_ = {reinterpret_cast<const char*>(data + header.report.offset), header.report.bytes};
  const std::string_view text{reinterpret_cast<const char*>(data + header.program.offset),
                              header.program.bytes};
  if (XXH3_64bits(text.data(), text.size()) != header.program.checksum ||
      XXH3_64bits(plan.report_.data(), plan.report_.size()) != header.report.checksum ||
      chunked_hash(plan.constants_, plan.constants_bytes_) != header.constants.checksum) {
    return refuse(plan.label_,
                  "is corrupted: its contents do not match their checksum; build the plan again");
  }
  const std::span<const std::byte> code(data + header.code.offset, header.code.bytes);
  if (XXH3_64bits(code.data(), code.size()) != header.code.checksum) {
    return refuse(
        plan.label_,
        "is corrupted: its device code does not match its checksum; build the plan again");
  }
  PENSTOCK_ASSIGN_OR_RETURN(plan.contents_, contents_from_json(text));
  Result<std::vector<backends::CodeView>> views = read_code_section(code);
  if (!views.is_ok()) return views.status().with_context(plan.label_);
  plan.code_ = *std::move(views);
  PENSTOCK_RETURN_IF_ERROR(validate(plan.contents_, plan.constants_bytes_));
  return plan;
}

std::string_view PlanFile::report() const { return report_; }

}  // namespace penstock::plan
