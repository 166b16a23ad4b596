# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""IBuilderConfig, IOptimizationProfile and ITimingCache: how to build."""
from __future__ import annotations

import json
from typing import Any

from penstock import cuda
from penstock.errors import InvalidArgumentError
from penstock.trt.enums import (BuilderFlag, DeviceType, EngineCapability, HardwareCompatibilityLevel, MemoryPoolType,
                                ProfilingVerbosity, QuantizationFlag, RuntimePlatform, Severity, TilingOptimizationLevel)
from penstock.trt.types import Dims, IHostMemory
from penstock.trt.unsupported import REASONS, Checked, Option, error

_REFUSED = {
    BuilderFlag.FP8: "FP8 is not there yet; build without it, which runs in FP32",
    BuilderFlag.INT4: "INT4 is not there yet; build without it, which runs in FP32",
    BuilderFlag.FP4: "FP4 is not there yet; build without it, which runs in FP32",
    **dict.fromkeys((BuilderFlag.REFIT, BuilderFlag.REFIT_IDENTICAL, BuilderFlag.REFIT_INDIVIDUAL, BuilderFlag.STRIP_PLAN),
                    REASONS["Refitter"]),
    BuilderFlag.WEIGHT_STREAMING: REASONS["ICudaEngine.weight_streaming_budget_v2"],
    BuilderFlag.SAFETY_SCOPE: "there is no safety runtime; leave it out",
}
_NOTED = {
    BuilderFlag.FP16: "FP16 on a CPU is the 16-bit float that it has instructions for; without them the plan runs in FP32",
    BuilderFlag.BF16: "BF16 on a CPU needs instructions for it; without them the plan runs in FP32",
}


class IOptimizationProfile(Checked):
    """The shapes that inputs may take: least, usual, most."""

    extra_memory_target = Option(1.0)

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[Dims, Dims, Dims]] = {}
        self._values: dict[str, tuple[list[int], list[int], list[int]]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002
        shapes = (Dims(min), Dims(opt), Dims(max))
        if len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"profile: input '{input}': min {shapes[0]}, opt {shapes[1]} and max {shapes[2]} differ in rank")
        if not all(low <= usual <= high for low, usual, high in zip(*shapes)):
            raise ValueError(f"profile: input '{input}': not min {shapes[0]} <= opt {shapes[1]} <= max {shapes[2]}")
        self._shapes[input] = shapes

    def get_shape(self, input: str) -> list[Dims]:  # noqa: A002
        return list(self._shapes.get(input, ()))

    def set_shape_input(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002
        """Values of an input that holds a shape; from 1 on, shapes are planned before the run."""
        values = ([int(n) for n in min], [int(n) for n in opt], [int(n) for n in max])
        if len({len(each) for each in values}) > 1:
            raise ValueError(f"profile: shape input '{input}': min {values[0]}, opt {values[1]} and max {values[2]} differ in length")
        if not all(low <= usual <= high for low, usual, high in zip(*values)):
            raise ValueError(f"profile: shape input '{input}': not min {values[0]} <= opt {values[1]} <= max {values[2]}")
        self._values[input] = values

    def get_shape_input(self, input: str) -> list[list[int]]:  # noqa: A002
        return list(self._values.get(input, ()))

    def __bool__(self) -> bool:
        return True


class ITimingCache(Checked):
    """Measured times, which make the next build fast."""

    def __init__(self, serialized: Any = b""):
        self._content = bytes(serialized)
        self._entries()

    def _entries(self) -> dict[str, float]:
        try:
            return json.loads(self._content)["microseconds"] if self._content else {}
        except (ValueError, KeyError, TypeError) as problem:
            raise InvalidArgumentError(f"timing cache: not one of Penstock's: {problem}") from None

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._content)

    def combine(self, input_cache: ITimingCache, ignore_mismatch: bool = False) -> bool:
        entries = {**input_cache._entries(), **self._entries()}
        base = self._content or input_cache._content
        if base:
            self._content = json.dumps({**json.loads(base), "microseconds": entries}, indent=1).encode()
        return True

    def reset(self) -> bool:
        self._content = b""
        return True


class IBuilderConfig(Checked):
    """Options of a build."""

    avg_timing_iterations = Option(1)
    min_timing_iterations = Option(1)
    engine_capability = Option(EngineCapability.STANDARD)
    default_device_type = Option(DeviceType.GPU)
    profile_stream = Option(0)
    profiling_verbosity = Option(ProfilingVerbosity.LAYER_NAMES_ONLY)
    max_num_tactics = Option(-1)
    runtime_platform = Option(RuntimePlatform.SAME_AS_BUILD)
    hardware_compatibility_level = Option(HardwareCompatibilityLevel.NONE)
    max_aux_streams = Option(0)
    progress_monitor = Option(None)
    tiling_optimization_level = Option(TilingOptimizationLevel.NONE)
    l2_limit_for_tiling = Option(0)
    int8_calibrator = Option(None)

    def __init__(self, logger: Any):
        self._logger = logger
        self.reset()

    def reset(self) -> None:
        self._flags = 1 << int(BuilderFlag.TF32)
        self._tf32_asked = False
        self._pools: dict[MemoryPoolType, int] = {}
        self._profiles: list[IOptimizationProfile] = []
        self._calibration_profile: IOptimizationProfile | None = None
        self._cache: ITimingCache | None = None
        self._level = 3
        self._previews: dict[Any, bool] = {}
        self._tactic_sources = 0b11000
        self._device_types: dict[int, DeviceType] = {}

    # --- flags -------------------------------------------------------------------------------------------------------
    def set_flag(self, flag: BuilderFlag) -> None:
        flag = BuilderFlag(flag)
        if flag in _REFUSED:
            raise error(f"BuilderFlag.{flag.name}", _REFUSED[flag])
        if flag in _NOTED and not self.get_flag(flag) and cuda.gpu() is None:
            self._logger.log(Severity.WARNING, _NOTED[flag])
        self._flags |= 1 << int(flag)
        self._tf32_asked = self._tf32_asked or flag == BuilderFlag.TF32

    def clear_flag(self, flag: BuilderFlag) -> None:
        self._flags &= ~(1 << int(flag))

    def get_flag(self, flag: BuilderFlag) -> bool:
        return bool(self._flags >> int(flag) & 1)

    @property
    def flags(self) -> int:
        return self._flags

    @flags.setter
    def flags(self, flags: int) -> None:
        for flag in BuilderFlag:
            if int(flags) >> int(flag) & 1:
                self.set_flag(flag)
        self._flags = int(flags)

    def get_quantization_flag(self, flag: QuantizationFlag) -> bool:
        return False

    def clear_quantization_flag(self, flag: QuantizationFlag) -> None:
        pass

    def set_preview_feature(self, feature: Any, enable: bool) -> None:
        self._previews[feature] = enable

    def get_preview_feature(self, feature: Any) -> bool:
        return self._previews.get(feature, False)

    # --- memory and effort -------------------------------------------------------------------------------------------
    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        if pool_size < 0:
            raise ValueError(f"set_memory_pool_limit: {pool_size} bytes")
        self._pools[MemoryPoolType(pool)] = int(pool_size)

    def get_memory_pool_limit(self, pool: MemoryPoolType) -> int:
        """0 where no limit was set."""
        return self._pools.get(MemoryPoolType(pool), 0)

    @property
    def max_workspace_size(self) -> int:
        return self.get_memory_pool_limit(MemoryPoolType.WORKSPACE)

    @max_workspace_size.setter
    def max_workspace_size(self, size: int) -> None:
        self.set_memory_pool_limit(MemoryPoolType.WORKSPACE, size)

    @property
    def builder_optimization_level(self) -> int:
        return self._level

    @builder_optimization_level.setter
    def builder_optimization_level(self, level: int) -> None:
        if not 0 <= level <= 5:
            raise ValueError(f"builder_optimization_level: {level}, expected 0 to 5")
        self._level = int(level)

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        self._tactic_sources = int(tactic_sources)
        return True

    def get_tactic_sources(self) -> int:
        return self._tactic_sources

    # --- profiles ----------------------------------------------------------------------------------------------------
    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
        """The shapes of calibration's batches are its opt shapes."""
        self._calibration_profile = profile
        return True

    def get_calibration_profile(self) -> IOptimizationProfile | None:
        return self._calibration_profile

    # --- devices: there is one ----------------------------------------------------------------------------------------
    def set_device_type(self, layer: Any, device_type: DeviceType) -> None:
        if device_type == DeviceType.DLA:
            raise error("DeviceType.DLA", "there is no DLA; leave it out")
        self._device_types[id(layer)] = device_type

    def get_device_type(self, layer: Any) -> DeviceType:
        return DeviceType.GPU

    def is_device_type_set(self, layer: Any) -> bool:
        return id(layer) in self._device_types

    def reset_device_type(self, layer: Any) -> None:
        self._device_types.pop(id(layer), None)

    def can_run_on_DLA(self, layer: Any) -> bool:  # noqa: N802
        return False

    # --- times -------------------------------------------------------------------------------------------------------
    def create_timing_cache(self, serialized_timing_cache: Any) -> ITimingCache | None:
        try:
            return ITimingCache(serialized_timing_cache)
        except InvalidArgumentError as problem:
            # A cache of another program or a broken file: the build measures again.
            self._logger.log(Severity.WARNING, f"{problem}; a new one is begun")
            return ITimingCache()

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool = False) -> bool:
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache
