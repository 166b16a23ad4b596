# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""INT8 from a calibrator: its batches, its cache."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy

import penstock
from penstock import cuda
from penstock.errors import InvalidArgumentError
from penstock.trt.enums import CalibrationAlgoType, Severity
from penstock.trt.types import nptype

_METHODS = {
    CalibrationAlgoType.LEGACY_CALIBRATION: "percentile",
    CalibrationAlgoType.ENTROPY_CALIBRATION: "entropy",
    CalibrationAlgoType.ENTROPY_CALIBRATION_2: "entropy",
    CalibrationAlgoType.MINMAX_CALIBRATION: "minmax",
}


def calibration_table(model: Any, folder: str, network: Any, config: Any, logger: Any,
                      progress: Any) -> penstock.CalibrationTable | None:
    """From the calibrator's cache where it has one, else from its batches; the cache is then written. None without one."""
    calibrator = config.int8_calibrator
    if calibrator is None:
        return None
    cache = calibrator.read_calibration_cache()
    if cache:
        return penstock.CalibrationTable.parse(bytes(cache).decode("utf-8", "replace"))
    shapes = _shapes(network, config, calibrator.get_batch_size())
    table = penstock.calibrate(model, _batches(calibrator, network, shapes), external_data=folder, progress=progress,
                               method=_METHODS[CalibrationAlgoType(calibrator.get_algorithm())])
    logger.log(Severity.INFO, f"calibrated on {table.batches} batches: {len(table)} values")
    calibrator.write_calibration_cache(table.to_text(tensorrt=True).encode())
    return table


def _shapes(network: Any, config: Any, batch: int) -> dict[str, tuple[int, ...]]:
    """Of a batch: extents that vary are those of the calibration profile, or of the first one, or the batch size."""
    profile = config.get_calibration_profile() or next(iter(config._profiles), None)
    shapes = {}
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = list(tensor.shape)
        usual = profile.get_shape(tensor.name)[1:2] if profile is not None else []
        for axis, extent in enumerate(shape):
            if extent >= 0:
                continue
            if axis == 0 and batch > 0:
                shape[axis] = batch
            elif usual:
                shape[axis] = usual[0][axis]
            else:
                raise InvalidArgumentError(f"calibration: axis {axis} of input '{tensor.name}' varies: set_calibration_profile, or "
                                           "add an optimization profile")
        shapes[tensor.name] = tuple(shape)
    return shapes


def _batches(calibrator: Any, network: Any, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, numpy.ndarray]]:
    types = {network.get_input(i).name: nptype(network.get_input(i).dtype) for i in range(network.num_inputs)}
    names = list(shapes)
    while True:
        addresses = calibrator.get_batch(names)
        if addresses is None or len(addresses) == 0:
            return
        if len(addresses) != len(names):
            raise InvalidArgumentError(f"get_batch gave {len(addresses)} addresses for {len(names)} inputs")
        yield {name: cuda.from_device(int(address), shapes[name], types[name]) for name, address in zip(names, addresses)}
