# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Penstock: an inference compiler and runtime.

    plan = penstock.build("model.onnx")
    context = penstock.Engine(plan).create_context()
    outputs = context.run({"input": array})
"""
from penstock._build import Profile, build
from penstock._custom import register_operator
from penstock._diagnostics import Comparison, compare, inspect
from penstock._penstock import BuildSummary, Context, Engine, LayerError, Plan, Stream, TensorInfo, __version__
from penstock._timing_cache import TimingCache
from penstock.errors import (BusyError, CancelledError, DeviceLostError, Error, InputOutputError, InternalError,
                             InvalidArgumentError, InvalidModelError, InvalidPlanError, NotFoundError, OutOfMemoryError,
                             UnsupportedError)

__all__ = [
    "BuildSummary", "BusyError", "CancelledError", "Comparison", "Context", "DeviceLostError", "Engine", "Error",
    "InputOutputError", "InternalError", "InvalidArgumentError", "InvalidModelError", "InvalidPlanError",
    "LayerError", "NotFoundError", "OutOfMemoryError", "Plan", "Profile", "Stream", "TensorInfo", "TimingCache",
    "UnsupportedError", "__version__", "build", "compare", "inspect", "register_operator",
]
