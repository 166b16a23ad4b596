# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Loggers: where messages go that TensorRT logs instead of raising."""
from __future__ import annotations

import contextlib
import sys
import time
from typing import Any, Iterator

import penstock
from penstock import cuda
from penstock.trt.enums import Severity
from penstock.trt.unsupported import NotSupportedError


class ILogger:
    """A logger of one's own: a class with log(severity, msg)."""

    Severity = Severity
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define log(severity, msg)")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass


class Logger(ILogger):
    """Prints to standard error what is at least as severe as min_severity."""

    min_severity = Severity.WARNING

    def __init__(self, min_severity: Severity = Severity.WARNING):
        self.min_severity = min_severity

    def log(self, severity: Severity, msg: str) -> None:
        if severity <= self.min_severity:
            print(f"[{time.strftime('%m/%d/%Y-%H:%M:%S')}] [TRT] [{severity.name[0]}] {msg}", file=sys.stderr)


def checked_logger(logger: Any, what: str) -> ILogger:
    if not isinstance(logger, ILogger):
        raise TypeError(f"{what}: expected a tensorrt.ILogger, got {type(logger).__name__}")
    return logger


class Outcome:
    """Whether the block of `logged` went well."""

    ok = False


@contextlib.contextmanager
def logged(logger: ILogger, recorder: Any = None) -> Iterator[Outcome]:
    """Penstock's errors inside the block are logged, as TensorRT does; what is not supported at all is raised."""
    outcome = Outcome()
    try:
        yield outcome
        outcome.ok = True
    except NotSupportedError:
        raise
    except (penstock.Error, cuda.Error, TypeError, ValueError, ArithmeticError, MemoryError, OSError) as error:
        logger.log(Severity.ERROR, str(error))
        if recorder is not None:
            from penstock.trt.enums import ErrorCodeTRT
            recorder.report_error(ErrorCodeTRT.INVALID_ARGUMENT if isinstance(error, (TypeError, ValueError))
                                  else ErrorCodeTRT.FAILED_EXECUTION, str(error))
