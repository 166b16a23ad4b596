# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""calibrate(): the ranges that INT8 needs, from data."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from penstock import _penstock
from penstock._arguments import callback, integer, model_source


def calibrate(
    model: str | os.PathLike[str] | bytes | Any,
    data: Iterable[Any],
    *,
    method: str = "entropy",
    percentile: float = 99.99,
    batches: int = 0,
    threads: int = 0,
    external_data: str | os.PathLike[str] = "",
    progress: Callable[[str, float], object] | None = None,
) -> _penstock.CalibrationTable:
    """Runs the model in float32 over batches of data, and chooses where INT8 clips each value.

    model: a path, the bytes of an ONNX file, or an onnx.ModelProto.
    data: batches, each a dictionary of arrays by input name, a tuple in the order of the inputs, or the array of the
        only input. A few hundred samples like those of production are enough; memory does not grow with their number.
    method: "entropy" (as TensorRT's IInt8EntropyCalibrator2), "minmax", "moving-average", "percentile" or "mse".
    percentile: of method "percentile": that many elements of a value are not clipped.
    batches: the most to take; 0: all.
    threads: that share each kernel; 0: all processors.
    external_data: the folder of weights that lie beside a model given in memory.
    progress: called with what happens and how far it is, 0 to 1.
    """
    try:
        iterator = iter(data)
    except TypeError:
        raise TypeError(f"data: expected an iterable of batches, got {type(data).__name__}") from None
    count = len(data) if hasattr(data, "__len__") else 0
    return _penstock._calibrate(
        model_source(model, "model"), os.fspath(external_data), iterator, count, method, float(percentile),
        integer("batches", batches, 0), integer("threads", threads, 0), callback("progress", progress))
