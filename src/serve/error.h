// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace penstock::serve {

// Triton's codes, which a front end turns into those of its protocol.
enum class ErrorCode {
  kOk,
  kUnknown,
  kInternal,
  kNotFound,
  kInvalidArgument,
  kUnavailable,  // now, or in this state of the server: a full queue, a model that is not ready
  kUnsupported,
  kAlreadyExists,
  kCancelled,
};

// Why a request was not answered: a metric counts them by it.
enum class FailureReason { kRejected, kCancelled, kBackend, kOther };

// What a client is told. Messages name no path and no internal name.
class [[nodiscard]] Error {
 public:
  Error() = default;
  Error(ErrorCode code, std::string message, FailureReason reason = FailureReason::kOther)
      : code_(code), reason_(reason), message_(std::move(message)) {}
  Error(const Status& status);  // NOLINT(runtime/explicit)

  bool is_ok() const { return code_ == ErrorCode::kOk; }
  ErrorCode code() const { return code_; }
  FailureReason reason() const { return reason_; }
  const std::string& message() const { return message_; }
  // 200; 500, 404, 503, 501, and 400 for all others.
  int http_status() const;

 private:
  ErrorCode code_ = ErrorCode::kOk;
  FailureReason reason_ = FailureReason::kOther;
  std::string message_;
};

// A value, or the Error that says why there is none. PENSTOCK_ASSIGN_OR_RETURN takes it too.
template <typename T>
class [[nodiscard]] Answer {
 public:
  Answer(T value) : state_(std::move(value)) {}            // NOLINT(runtime/explicit)
  Answer(Error error) : state_(std::move(error)) {}        // NOLINT(runtime/explicit)
  Answer(const Status& status) : state_(Error(status)) {}  // NOLINT(runtime/explicit)

  bool is_ok() const { return std::holds_alternative<T>(state_); }
  Error status() const { return is_ok() ? Error() : std::get<Error>(state_); }

  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace penstock::serve

// Returns the error of `expression` (an Error) from the enclosing function.
#define PENSTOCK_RETURN_IF_REFUSED(expression)              \
  do {                                                      \
    ::penstock::serve::Error penstock_error = (expression); \
    if (!penstock_error.is_ok()) return penstock_error;     \
  } while (false)
