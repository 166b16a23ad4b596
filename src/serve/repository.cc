// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/repository.h"
#include "base/processors.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "serve/log.h"

namespace penstock::serve {
namespace {

namespace fs = std::filesystem;

Error not_found(const std::string& name, const std::string& version) {
  const std::string text =
      version.empty()
          ? fmt::format("Request for unknown model: '{}' is not found", name)
          : fmt::format("Request for unknown model: '{}' version {} is not found", name, version);
  return {ErrorCode::kNotFound, text};
}

// Messages reach clients, who are told names in the repository, not where it lies.
std::string without_paths(std::string message, const std::vector<fs::path>& repositories) {
  for (const fs::path& repository : repositories) {
    std::string prefix = repository.string();
    if (!prefix.ends_with('/')) prefix += '/';
    for (size_t at = message.find(prefix); at != std::string::npos; at = message.find(prefix, at)) {
      message.erase(at, prefix.size());
    }
  }
  return message;
}

}  // namespace

Repository::Repository(const ServerOptions& options) : options_(options) {
  options_.is_ending = [this] { return is_closing_.load(); };
  resources_.cores = std::make_shared<CoreBudget>(processor_count());
  resources_.timer = std::make_shared<Timer>();
  tasks_ = std::make_unique<TaskPool>(std::max(1, options_.load_threads));
}

Repository::~Repository() {
  close();
  {
    std::lock_guard lock(poll_mutex_);
    is_ending_ = true;
  }
  poll_changed_.notify_all();
  if (poller_.joinable()) poller_.join();
  tasks_.reset();
  std::vector<std::shared_ptr<Model>> models;
  {
    std::unique_lock lock(mutex_);
    for (auto& [name, entry] : entries_) {
      for (auto& [number, version] : entry.versions) models.push_back(std::move(version.model));
    }
    entries_.clear();
  }
  models.clear();
  std::error_code ignored;
  if (!override_folder_.empty()) fs::remove_all(override_folder_, ignored);
}

std::string_view Repository::to_string(State state) {
  switch (state) {
    case State::kUnknown: return "UNKNOWN";
    case State::kReady: return "READY";
    case State::kUnavailable: return "UNAVAILABLE";
    case State::kLoading: return "LOADING";
    case State::kUnloading: return "UNLOADING";
  }
  return "UNKNOWN";
}

Status Repository::start() {
  PENSTOCK_ASSIGN_OR_RETURN(const auto models, list_models(options_));
  std::set<std::string> wanted;
  const auto& names = options_.load_models;
  if (options_.control_mode != ControlMode::kExplicit ||
      std::find(names.begin(), names.end(), "*") != names.end()) {
    for (const auto& [name, folders] : models) wanted.insert(name);
  } else {
    wanted.insert(names.begin(), names.end());
  }
  for (const std::string& name : wanted) {
    begin_load(name, {}, [](const Error&) {});
  }
  if (options_.control_mode == ControlMode::kPoll) poller_ = std::thread([this] { poll(); });
  return Status::ok();
}

Status Repository::wait_until_loaded() {
  std::shared_lock lock(mutex_);
  loaded_.wait(lock, [this] { return loading_ == 0; });
  std::string failed;
  for (const auto& [name, entry] : entries_) {
    if (entry.failure.empty()) continue;
    failed += fmt::format("{}model '{}': {}", failed.empty() ? "" : "; ", name, entry.failure);
  }
  return failed.empty() ? Status::ok() : Status(StatusCode::kInvalidArgument, failed);
}

size_t Repository::loading() const {
  std::shared_lock lock(mutex_);
  return loading_;
}

bool Repository::is_everything_ready() const {
  std::shared_lock lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    if (!entry.is_wanted) continue;
    if (entry.versions.empty()) return false;
    for (const auto& [number, version] : entry.versions) {
      if (version.model == nullptr) return false;
    }
  }
  return true;
}

Answer<std::shared_ptr<Model>> Repository::find(const std::string& name,
                                                const std::string& version) const {
  const int64_t number = version.empty() ? 0 : parse_version(version);
  if (!version.empty() && number == 0) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("failed to get model version from specified version string '{}' "
                             "(an integral number above zero is expected)",
                             version));
  }
  std::shared_lock lock(mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return not_found(name, version);
  const auto& versions = entry->second.versions;
  if (number == 0) {
    for (auto candidate = versions.rbegin(); candidate != versions.rend(); ++candidate) {
      if (candidate->second.model != nullptr) return candidate->second.model;
    }
    if (!entry->second.is_wanted) return not_found(name, version);
    return Error(ErrorCode::kUnavailable,
                 fmt::format("Request for unknown model: '{}' has no available versions", name));
  }
  const auto found = versions.find(number);
  if (found == versions.end()) return not_found(name, version);
  if (found->second.model != nullptr) return found->second.model;
  return Error(ErrorCode::kUnavailable,
               fmt::format("Request for unknown model: '{}' version {} is not at ready state", name,
                           version));
}

std::vector<std::shared_ptr<Model>> Repository::ready_models(const std::string& name) const {
  std::vector<std::shared_ptr<Model>> models;
  std::shared_lock lock(mutex_);
  for (const auto& [entry_name, entry] : entries_) {
    if (!name.empty() && entry_name != name) continue;
    for (const auto& [number, version] : entry.versions) {
      if (version.model != nullptr) models.push_back(version.model);
    }
  }
  return models;
}

inference::RepositoryIndexResponse Repository::index(bool only_ready) const {
  inference::RepositoryIndexResponse response;
  const auto add = [&](const std::string& name, const std::string& version, std::string_view state,
                       const std::string& reason) {
    if (only_ready && state != "READY") return;
    auto& model = *response.add_models();
    model.set_name(name);
    model.set_version(version);
    model.set_state(std::string(state));
    model.set_reason(reason);
  };
  const auto listed = list_models(options_);
  std::shared_lock lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    for (const auto& [number, version] : entry.versions) {
      add(name, std::to_string(number), to_string(version.state), version.reason);
    }
    if (entry.versions.empty()) {
      add(name, "", entry.failure.empty() ? "" : "UNAVAILABLE", entry.failure);
    }
  }
  if (!listed.is_ok()) return response;
  for (const auto& [name, folders] : *listed) {
    if (entries_.count(name) == 0) add(name, "", "", "");
  }
  return response;
}

Result<fs::path> Repository::folder_of(const std::string& name) const {
  if (!is_model_name(name)) {
    return Status(StatusCode::kInvalidArgument, "'" + name + "' is no name of a model");
  }
  std::vector<fs::path> found;
  for (const fs::path& repository : options_.repositories) {
    std::error_code ignored;
    if (fs::is_directory(repository / name, ignored)) found.push_back(repository / name);
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return Status(StatusCode::kNotFound,
                  "failed to load '" + name + "', no folder of that name in the model repository");
  }
  return Status(StatusCode::kInvalidArgument,
                "'" + name + "' is in more than one model repository");
}

void Repository::begin_load(const std::string& name, Override given, Done done) {
  {
    std::unique_lock lock(mutex_);
    ++loading_;
    entries_[name].is_wanted = true;
  }
  tasks_->add([this, name, given = std::move(given), done = std::move(done)] {
    Error error;
    if (is_closing_) error = {ErrorCode::kUnavailable, "the server is ending"};
    for (int attempt = 0; error.is_ok() && attempt <= std::max(0, options_.load_retries);
         ++attempt) {
      error = load_now(name, given);
      if (error.is_ok()) break;
      if (attempt < options_.load_retries && !is_closing_) error = {};
    }
    {
      std::unique_lock lock(mutex_);
      entries_[name].failure = error.message();
      --loading_;
    }
    loaded_.notify_all();
    if (!error.is_ok()) log_error("loading failed", {{"model", name}, {"error", error.message()}});
    done(error);
  });
}

Error Repository::load_now(const std::string& name, const Override& given) {
  std::shared_ptr<std::mutex> turn;
  {
    std::unique_lock lock(mutex_);
    turn = entries_[name].one_at_a_time;
  }
  std::lock_guard in_turn(*turn);
  PENSTOCK_ASSIGN_OR_RETURN(const fs::path path,
                            given.files.empty() ? folder_of(name) : write_override(name, given));
  {
    // Before anything can fail: a poll tries again only when something has changed.
    const uint64_t stamp = folder_stamp(path);
    std::unique_lock lock(mutex_);
    entries_[name].folder_stamp = stamp;
  }
  PENSTOCK_ASSIGN_OR_RETURN(const ModelFolder folder,
                            read_model_folder(name, path, options_, given.config_json));
  return load_versions(name, folder);
}

Status Repository::load_versions(const std::string& name, const ModelFolder& folder) {
  Status first_error;
  std::vector<std::shared_ptr<Model>> retired;
  for (const int64_t version : folder.versions) {
    const Status loaded = load_version(name, folder, version, retired);
    if (!loaded.is_ok() && first_error.is_ok()) {
      first_error = loaded.with_context("version " + std::to_string(version));
    }
  }
  // Old versions go only when the new ones are there.
  if (first_error.is_ok()) {
    std::unique_lock lock(mutex_);
    auto& versions = entries_[name].versions;
    for (auto it = versions.begin(); it != versions.end();) {
      if (std::binary_search(folder.versions.begin(), folder.versions.end(), it->first)) {
        ++it;
        continue;
      }
      if (it->second.model != nullptr) retired.push_back(std::move(it->second.model));
      it = versions.erase(it);
    }
  }
  retire(std::move(retired));
  return first_error;
}

Status Repository::load_version(const std::string& name, const ModelFolder& folder, int64_t version,
                                std::vector<std::shared_ptr<Model>>& retired) {
  const auto load = [&]() -> Status {
    const fs::path version_folder = folder.path / std::to_string(version);
    PENSTOCK_ASSIGN_OR_RETURN(const fs::path file, find_model_file(folder.config, version_folder));
    PENSTOCK_ASSIGN_OR_RETURN(const uint64_t stamp, version_stamp(version_folder, file));
    {
      std::unique_lock lock(mutex_);
      Version& entry = entries_[name].versions[version];
      if (entry.model != nullptr && entry.stamp == stamp &&
          entry.config_stamp == folder.config_stamp) {
        entry.reason.clear();
        return Status::ok();
      }
      if (entry.model == nullptr) entry.state = State::kLoading;
    }
    const Model::Source source{name, version, folder.path, file, folder.config};
    PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<Model> model,
                              Model::load(source, options_, resources_));
    log_info("ready", {{"model", name},
                       {"version", std::to_string(version)},
                       {"seconds", fmt::format("{:.2f}", model->load_seconds())}});
    std::unique_lock lock(mutex_);
    Version& entry = entries_[name].versions[version];
    if (entry.model != nullptr) retired.push_back(std::move(entry.model));
    entry = {std::move(model), State::kReady, "", folder.config_stamp, stamp};
    return Status::ok();
  };
  Status status = load();
  if (status.is_ok()) return status;
  status = Status(status.code(), without_paths(status.message(), options_.repositories));
  std::unique_lock lock(mutex_);
  Version& entry = entries_[name].versions[version];
  // What served before goes on.
  entry.state = entry.model != nullptr ? State::kReady : State::kUnavailable;
  entry.reason = status.message();
  return status;
}

// Waits until the last request has left each, and only then lets it go: on this thread, because
// the threads of its instances end with it.
void Repository::retire(std::vector<std::shared_ptr<Model>> models) {
  if (models.empty()) return;
  for (std::shared_ptr<Model>& model : models) {
    while (model.use_count() > 1 || !model->scheduler().is_idle()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    model.reset();
  }
  // Back to the system what weights and arenas took.
  ::malloc_trim(0);
}

Answer<Repository::Override> Repository::read_override(
    const inference::RepositoryModelLoadRequest& request) const {
  const auto wrong = [](std::string text) {
    return Error(ErrorCode::kInvalidArgument, std::move(text));
  };
  Override given;
  constexpr std::string_view kFile = "file:";
  for (const auto& [key, value] : request.parameters()) {
    if (key == "config") {
      if (!value.has_string_param()) return wrong("parameter 'config' must be a string of JSON");
      given.config_json = value.string_param();
      continue;
    }
    if (!std::string_view(key).starts_with(kFile)) {
      return wrong("unrecognized load parameter '" + key + "'; known are config and file:<path>");
    }
    if (!value.has_bytes_param()) return wrong("parameter '" + key + "' must be bytes in base64");
    const std::string path = key.substr(kFile.size());
    const size_t slash = path.find('/');
    const std::string file = slash == std::string::npos ? "" : path.substr(slash + 1);
    if (slash == std::string::npos || parse_version(path.substr(0, slash)) == 0 ||
        !is_model_name(file)) {
      return wrong("'" + key + "' must be file:<version>/<name of a file>");
    }
    given.files[path] = value.bytes_param();
  }
  if (!given.files.empty() && given.config_json.empty()) {
    return wrong("files are given without the parameter 'config'");
  }
  return given;
}

Result<fs::path> Repository::write_override(const std::string& name, const Override& given) {
  fs::path folder;
  {
    std::unique_lock lock(mutex_);
    if (override_folder_.empty()) {
      std::string path = (fs::temp_directory_path() / "penstock-models-XXXXXX").string();
      if (::mkdtemp(path.data()) == nullptr) {
        return Status(StatusCode::kIoError, "cannot make a folder for the files of the request");
      }
      override_folder_ = path;
    }
    static uint64_t count = 0;
    folder = override_folder_ / std::to_string(count++) / name;
  }
  std::error_code error;
  for (const auto& [path, contents] : given.files) {
    fs::create_directories((folder / path).parent_path(), error);
    std::ofstream file(folder / path, std::ios::binary);
    file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    if (!file.flush()) return Status(StatusCode::kIoError, "cannot keep the files of the request");
  }
  return folder;
}

void Repository::load(const inference::RepositoryModelLoadRequest& request, Done done) {
  const std::string& name = request.model_name();
  if (options_.control_mode != ControlMode::kExplicit) {
    return done({ErrorCode::kUnavailable,
                 "explicit model load / unload is not allowed if polling is enabled or the model "
                 "control mode is none"});
  }
  if (!is_model_name(name)) {
    return done({ErrorCode::kInvalidArgument, "'" + name + "' is no name of a model"});
  }
  Answer<Override> given = read_override(request);
  if (!given.is_ok()) return done(given.status());
  begin_load(name, *std::move(given), [name, done = std::move(done)](const Error& error) {
    if (error.is_ok()) return done({});
    done({error.code(), "failed to load '" + name + "': " + error.message()});
  });
}

void Repository::unload(const inference::RepositoryModelUnloadRequest& request, Done done) {
  const std::string& name = request.model_name();
  if (options_.control_mode != ControlMode::kExplicit) {
    return done({ErrorCode::kUnavailable,
                 "explicit model load / unload is not allowed if polling is enabled or the model "
                 "control mode is none"});
  }
  tasks_->add([this, name, done = std::move(done)] { done(unload_now(name)); });
}

Error Repository::unload_now(const std::string& name) {
  std::shared_ptr<std::mutex> turn;
  {
    std::shared_lock lock(mutex_);
    const auto entry = entries_.find(name);
    if (entry == entries_.end() || !entry->second.is_wanted) return not_found(name, "");
    turn = entry->second.one_at_a_time;
  }
  std::lock_guard in_turn(*turn);
  std::vector<std::shared_ptr<Model>> models;
  {
    std::unique_lock lock(mutex_);
    Entry& entry = entries_[name];
    entry.is_wanted = false;
    entry.failure.clear();
    for (auto& [number, version] : entry.versions) {
      if (version.model != nullptr) models.push_back(std::move(version.model));
      version = {nullptr, State::kUnloading, "", 0, 0};
    }
  }
  retire(std::move(models));
  {
    std::unique_lock lock(mutex_);
    for (auto& [number, version] : entries_[name].versions) {
      version.state = State::kUnavailable;
      version.reason = "unloaded";
    }
  }
  log_info("unloaded", {{"model", name}});
  return {};
}

void Repository::poll() {
  std::unique_lock lock(poll_mutex_);
  while (!poll_changed_.wait_for(lock, options_.poll_interval, [this] { return is_ending_; })) {
    lock.unlock();
    poll_once();
    lock.lock();
  }
}

// A folder that is still written to is left for the next time: what is loaded did not change while
// it was looked at.
void Repository::poll_once() {
  const auto models = list_models(options_);
  if (!models.is_ok()) return;
  std::map<std::string, uint64_t> changed;
  std::vector<std::string> gone;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      if (models->count(name) == 0 && entry.is_wanted) gone.push_back(name);
    }
  }
  for (const auto& [name, folders] : *models) {
    const uint64_t stamp = folder_stamp(folders[0]);
    std::shared_lock lock(mutex_);
    const auto entry = entries_.find(name);
    const bool is_same =
        entry != entries_.end() && entry->second.is_wanted && entry->second.folder_stamp == stamp;
    if (!is_same) changed[name] = stamp;
  }
  if (!changed.empty()) {
    constexpr auto kSettle = std::chrono::milliseconds(200);
    std::this_thread::sleep_for(kSettle);
  }
  for (const auto& [name, stamp] : changed) {
    if (folder_stamp(models->at(name)[0]) != stamp) continue;
    begin_load(name, {}, [](const Error&) {});
  }
  for (const std::string& name : gone) {
    tasks_->add([this, name] { (void)unload_now(name); });
  }
}

}  // namespace penstock::serve
