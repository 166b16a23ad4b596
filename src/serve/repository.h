// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// All models and their versions: which are loaded, and how they come and go.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "serve/error.h"
#include "serve/model.h"
#include "serve/model_folder.h"
#include "serve/task_pool.h"

namespace penstock::serve {

class Repository {
 public:
  using Done = std::function<void(Error)>;

  explicit Repository(const ServerOptions& options);
  ~Repository();

  // Ends what is being built; nothing is loaded from here on.
  void close() { is_closing_ = true; }
  // Finds the models and begins to load those that the control mode wants.
  Status start();
  // The names of those that failed are in the error.
  Status wait_until_loaded();
  bool is_everything_ready() const;

  // An empty version is the largest that is ready. Errors: kNotFound; kUnavailable while it loads
  // or after its loading failed.
  Answer<std::shared_ptr<Model>> find(const std::string& name, const std::string& version) const;
  // All versions that are ready, of this model or of all (empty name).
  std::vector<std::shared_ptr<Model>> ready_models(const std::string& name) const;

  inference::RepositoryIndexResponse index(bool only_ready) const;
  void load(const inference::RepositoryModelLoadRequest& request, Done done);
  void unload(const inference::RepositoryModelUnloadRequest& request, Done done);

  const ServerOptions& options() const { return options_; }
  // Seconds that the last successful load of each version took are in the models themselves.
  size_t loading() const;

 private:
  enum class State { kUnknown, kReady, kUnavailable, kLoading, kUnloading };
  struct Version {
    std::shared_ptr<Model> model;
    State state = State::kUnknown;
    std::string reason;
    uint64_t config_stamp = 0;
    uint64_t stamp = 0;
  };
  struct Entry {
    std::map<int64_t, Version> versions;
    std::string failure;        // of the model as a whole
    bool is_wanted = true;      // false: unloaded by a client
    uint64_t folder_stamp = 0;  // when it was loaded last
    std::shared_ptr<std::mutex> one_at_a_time = std::make_shared<std::mutex>();
  };
  // Files that came with a load request, in place of the repository's.
  struct Override {
    std::string config_json;
    std::map<std::string, std::string> files;  // "1/model.onnx" -> contents
  };

  static std::string_view to_string(State state);

  Result<std::filesystem::path> folder_of(const std::string& name) const;
  void begin_load(const std::string& name, Override given, Done done);
  Error load_now(const std::string& name, const Override& given);
  Status load_versions(const std::string& name, const ModelFolder& folder);
  Status load_version(const std::string& name, const ModelFolder& folder, int64_t version,
                      std::vector<std::shared_ptr<Model>>& retired);
  Error unload_now(const std::string& name);
  void retire(std::vector<std::shared_ptr<Model>> models);
  Answer<Override> read_override(const inference::RepositoryModelLoadRequest& request) const;
  Result<std::filesystem::path> write_override(const std::string& name, const Override& given);
  void poll();
  void poll_once();

  ServerOptions options_;  // as given, but for is_ending
  std::atomic<bool> is_closing_{false};
  Resources resources_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Entry> entries_;
  size_t loading_ = 0;
  std::condition_variable_any loaded_;
  std::filesystem::path override_folder_;  // made when it is needed
  std::mutex poll_mutex_;
  std::condition_variable poll_changed_;
  bool is_ending_ = false;
  std::unique_ptr<TaskPool> tasks_;
  std::thread poller_;
};

}  // namespace penstock::serve
