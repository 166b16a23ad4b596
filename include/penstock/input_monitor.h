// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>
#include <penstock/tensor.h>
#include <penstock/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// What a monitor has seen of one input.
struct InputCount {
  std::string input;
  int64_t tensors = 0;          // looked at
  int64_t tensors_outside = 0;  // that left the contract
  int64_t elements_outside = 0;
};

// Compares inputs with what the plan expects of them (Engine::input_contracts), and counts. A range
// that was given holds as it is; elements may pass one that calibration saw by a quarter of its
// width. NaN is outside. Safe to use from several threads.
class InputMonitor {
 public:
  explicit InputMonitor(const Engine& engine);
  ~InputMonitor();
  InputMonitor(InputMonitor&&) noexcept;
  InputMonitor& operator=(InputMonitor&&) noexcept;

  // Looks at all elements, which lie in the host's memory. A sentence for people where some are
  // outside; nothing where none are, or nothing is expected of this input.
  std::optional<std::string> check(std::string_view input, const Tensor& tensor);
  std::optional<std::string> check(std::string_view input, DataType dtype, const Shape& shape,
                                   const void* data);
  // Inputs of which something is expected.
  std::vector<InputCount> counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace penstock
