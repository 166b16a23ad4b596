# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Penstock: an inference compiler and runtime.

    plan = penstock.build("model.onnx")
    context = penstock.Engine(plan).create_context()
    outputs = context.run({"input": array})
"""
from penstock._accuracy import Accuracy, accuracy
from penstock._build import Profile, build
from penstock._calibration import calibrate
from penstock._custom import register_operator
from penstock._diagnostics import Comparison, compare, inspect, roofline
from penstock._penstock import (Buffer, BuildSummary, CalibrationTable, Context, Device, DeviceMemory, Engine, Event, InputMonitor,
                                LayerError, Plan, SharedScratch, Stream, TensorInfo, __version__)
from penstock._timing_cache import TimingCache
from penstock.errors import (BusyError, CancelledError, DeviceLostError, Error, InputOutputError, InternalError,
                             InvalidArgumentError, InvalidModelError, InvalidPlanError, NotFoundError, OutOfMemoryError,
                             UnsupportedError)

__all__ = [
    "Accuracy", "Buffer", "BuildSummary", "BusyError", "CalibrationTable", "CancelledError", "Comparison", "Context", "Device",
    "DeviceLostError", "DeviceMemory", "Engine", "Error", "Event", "InputMonitor", "InputOutputError", "InternalError",
    "InvalidArgumentError", "InvalidModelError", "InvalidPlanError", "LayerError", "NotFoundError", "OutOfMemoryError", "Plan", "Profile",
    "SharedScratch", "Stream", "TensorInfo", "TimingCache", "UnsupportedError", "__version__", "accuracy", "build", "calibrate",
    "compare", "inspect", "register_operator", "roofline",
]
