// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace penstock {

enum class StatusCode {
  kOk = 0,
  kInvalidArgument,  // the caller's value is wrong: name, shape, type, option
  kInvalidModel,     // the ONNX file is broken or contradicts itself
  kInvalidPlan,      // the plan file is truncated, corrupted, foreign or newer
  kUnsupported,      // well-formed, but nothing here runs it
  kNotFound,         // a file or a name does not exist
  kIoError,          // the operating system refused a read or a write
  kOutOfMemory,
  kDeviceLost,  // a sticky device error: every later call answers this
  kCancelled,   // the caller asked for an end
  kInternal,    // a defect of Penstock
};

// The code's name as users see it, for example "invalid argument".
std::string_view to_string(StatusCode code);

// Success, or a code and a message that names what, where and what to do. No exception leaves a
// Penstock library: every call that can fail returns a Status or a Result.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}
  static Status ok() { return {}; }

  bool is_ok() const { return code_ == StatusCode::kOk; }
  explicit operator bool() const { return is_ok(); }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error with "context: " in front of its message; a success stays one.
  Status with_context(std::string_view context) const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}         // NOLINT(runtime/explicit)
  Result(Status status) : state_(std::move(status)) {}  // NOLINT(runtime/explicit)

  bool is_ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return is_ok(); }
  Status status() const { return is_ok() ? Status() : std::get<Status>(state_); }

  // Only where is_ok(): the check is the caller's.
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace penstock

#define PENSTOCK_CONCAT_INNER(a, b) a##b
#define PENSTOCK_CONCAT(a, b) PENSTOCK_CONCAT_INNER(a, b)

// Returns the error of `expression` (a Status) from the enclosing function.
#define PENSTOCK_RETURN_IF_ERROR(expression)              \
  do {                                                    \
    ::penstock::Status penstock_status = (expression);    \
    if (!penstock_status.is_ok()) return penstock_status; \
  } while (false)

// Declares `declaration` from a Result, or returns its error from the enclosing function.
#define PENSTOCK_ASSIGN_OR_RETURN(declaration, expression)         \
  auto PENSTOCK_CONCAT(penstock_result_, __LINE__) = (expression); \
  if (!PENSTOCK_CONCAT(penstock_result_, __LINE__).is_ok())        \
    return PENSTOCK_CONCAT(penstock_result_, __LINE__).status();   \
  declaration = std::move(PENSTOCK_CONCAT(penstock_result_, __LINE__)).value()
