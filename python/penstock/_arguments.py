# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Checks of arguments that several functions take."""
from __future__ import annotations

import os
from typing import Any

from penstock.errors import InvalidArgumentError


def integer(name: str, value: Any, least: int) -> int:
    try:
        number = value.__index__()
    except AttributeError:
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if number < least or number >= 2**63 or (name not in ("workspace", "memory_limit", "seed") and number >= 2**31):
        raise InvalidArgumentError(f"{name}: {number} is out of range")
    return number


def callback(name: str, function: Any) -> Any:
    if function is not None and not callable(function):
        raise TypeError(f"{name}: expected a function or None, got {type(function).__name__}")
    return function


def model_source(model: Any, argument: str) -> str | bytes:
    """A path as it is, all else as the bytes of an ONNX file."""
    if isinstance(model, (str, os.PathLike)):
        return os.fspath(model)
    if isinstance(model, bytes):
        return model
    if isinstance(model, (bytearray, memoryview)):
        return bytes(model)
    if hasattr(model, "SerializeToString") and hasattr(model, "graph"):
        return model.SerializeToString()
    raise TypeError(f"{argument}: expected a path, the bytes of an ONNX model, or an onnx.ModelProto, "
                    f"got {type(model).__name__}")
