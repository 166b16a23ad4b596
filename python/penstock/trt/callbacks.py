# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The classes that a script derives from to be called back."""
from __future__ import annotations

from typing import Any

from penstock.trt.enums import APILanguage, CalibrationAlgoType


def _must_define(instance: Any, method: str) -> NotImplementedError:
    return NotImplementedError(f"{type(instance).__name__} must define {method}")


class InterfaceInfo:
    """Kind and version of an interface."""

    def __init__(self, kind: str, major: int = 1, minor: int = 0):
        self.kind, self.major, self.minor = kind, major, minor


class IVersionedInterface:
    """The base of interfaces that carry a version."""

    api_language = property(lambda self: APILanguage.PYTHON)
    interface_info = property(lambda self: InterfaceInfo(type(self).__name__))


class IProfiler:
    """Told the time of each layer of a run: IExecutionContext.profiler."""

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        raise _must_define(self, "report_layer_time(layer_name, ms)")


class Profiler(IProfiler):
    """Prints the time of each layer."""

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        print(f"{layer_name}: {ms:.6f}ms")


class IProgressMonitor(IVersionedInterface):
    """Told how far a build is: IBuilderConfig.progress_monitor. False from step_complete ends the build."""

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise _must_define(self, "phase_start(phase_name, parent_phase, num_steps)")

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise _must_define(self, "step_complete(phase_name, step)")

    def phase_finish(self, phase_name: str) -> None:
        raise _must_define(self, "phase_finish(phase_name)")


class IOutputAllocator(IVersionedInterface):
    """Gives memory for an output whose shape only the run tells: IExecutionContext.set_output_allocator."""

    def reallocate_output(self, tensor_name: str, memory: int, size: int, alignment: int) -> int:
        raise _must_define(self, "reallocate_output(tensor_name, memory, size, alignment)")

    def notify_shape(self, tensor_name: str, shape: Any) -> None:
        raise _must_define(self, "notify_shape(tensor_name, shape)")


class IErrorRecorder(IVersionedInterface):
    """Told of each error that is logged."""

    MAX_DESC_LENGTH = 127

    def num_errors(self) -> int:
        raise _must_define(self, "num_errors()")

    def get_error_code(self, index: int) -> Any:
        raise _must_define(self, "get_error_code(index)")

    def get_error_desc(self, index: int) -> str:
        raise _must_define(self, "get_error_desc(index)")

    def has_overflowed(self) -> bool:
        raise _must_define(self, "has_overflowed()")

    def clear(self) -> None:
        raise _must_define(self, "clear()")

    def report_error(self, code: Any, desc: str) -> None:
        raise _must_define(self, "report_error(code, desc)")


class IStreamReader(IVersionedInterface):
    """Gives the bytes of a plan: read(size)."""

    def read(self, size: int) -> bytes:
        raise _must_define(self, "read(size)")


class IStreamReaderV2(IVersionedInterface):
    """Gives the bytes of a plan: read(num_bytes, stream) and seek(offset, where)."""

    def read(self, num_bytes: int, stream: int) -> bytes:
        raise _must_define(self, "read(num_bytes, stream)")

    def seek(self, offset: int, where: Any) -> bool:
        raise _must_define(self, "seek(offset, where)")


class IStreamWriter(IVersionedInterface):
    """Takes the bytes of a plan: write(data) returns how many it took."""

    def write(self, data: bytes) -> int:
        raise _must_define(self, "write(data)")


class IInt8Calibrator:
    """Gives batches to calibrate with: get_batch(names) returns an address for each input, or None at the end."""

    _algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION_2

    def get_algorithm(self) -> CalibrationAlgoType:
        return self._algorithm

    def get_batch_size(self) -> int:
        raise _must_define(self, "get_batch_size()")

    def get_batch(self, names: list[str]) -> Any:
        raise _must_define(self, "get_batch(names)")

    def read_calibration_cache(self) -> bytes | None:
        raise _must_define(self, "read_calibration_cache()")

    def write_calibration_cache(self, cache: bytes) -> None:
        raise _must_define(self, "write_calibration_cache(cache)")


class IInt8LegacyCalibrator(IInt8Calibrator):
    _algorithm = CalibrationAlgoType.LEGACY_CALIBRATION


class IInt8EntropyCalibrator(IInt8Calibrator):
    _algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION


class IInt8EntropyCalibrator2(IInt8Calibrator):
    _algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION_2


class IInt8MinMaxCalibrator(IInt8Calibrator):
    _algorithm = CalibrationAlgoType.MINMAX_CALIBRATION
