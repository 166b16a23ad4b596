# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The errors that Penstock raises: one class for each status code, all of them Error."""


class Error(Exception):
    """Any error that Penstock reports."""


class InvalidArgumentError(Error, ValueError):
    """The caller's value is wrong: a name, a shape, an option."""


class InvalidModelError(Error, ValueError):
    """The ONNX model is broken or contradicts itself."""


class InvalidPlanError(Error, ValueError):
    """The plan is truncated, corrupted, foreign or newer."""


class UnsupportedError(Error, NotImplementedError):
    """Well-formed, but nothing here runs it."""


class NotFoundError(Error, FileNotFoundError):
    """A file does not exist."""


class InputOutputError(Error, OSError):
    """The operating system refused a read or a write."""


class OutOfMemoryError(Error, MemoryError):
    """No memory for weights or activations."""


class DeviceLostError(Error, RuntimeError):
    """The device failed: every later call on it fails."""


class CancelledError(Error):
    """The caller asked for an end."""


class InternalError(Error, RuntimeError):
    """A defect of Penstock."""


class BusyError(Error, RuntimeError):
    """Another thread is using the object."""
