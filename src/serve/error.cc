// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/error.h"

namespace penstock::serve {
namespace {

ErrorCode code_of(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return ErrorCode::kOk;
    case StatusCode::kInvalidArgument: return ErrorCode::kInvalidArgument;
    case StatusCode::kNotFound: return ErrorCode::kNotFound;
    case StatusCode::kUnsupported: return ErrorCode::kUnsupported;
    case StatusCode::kCancelled: return ErrorCode::kCancelled;
    case StatusCode::kOutOfMemory:
    case StatusCode::kDeviceLost: return ErrorCode::kUnavailable;
    case StatusCode::kInvalidModel:
    case StatusCode::kInvalidPlan:
    case StatusCode::kIoError:
    case StatusCode::kInternal: return ErrorCode::kInternal;
  }
  return ErrorCode::kUnknown;
}

}  // namespace

Error::Error(const Status& status)
    : code_(code_of(status.code())),
      reason_(status.code() == StatusCode::kCancelled ? FailureReason::kCancelled
                                                      : FailureReason::kOther),
      message_(status.message()) {}

int Error::http_status() const {
  switch (code_) {
    case ErrorCode::kOk: return 200;
    case ErrorCode::kInternal: return 500;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kUnavailable: return 503;
    case ErrorCode::kUnsupported: return 501;
    case ErrorCode::kUnknown:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kCancelled: return 400;
  }
  return 500;
}

}  // namespace penstock::serve
