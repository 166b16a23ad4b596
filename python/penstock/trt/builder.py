# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Builder: from a network to a plan."""
from __future__ import annotations

import os
import tempfile
from typing import Any

import penstock
from penstock import cuda
from penstock.trt.calibration import calibration_table
from penstock.trt.config import IBuilderConfig, IOptimizationProfile
from penstock.trt.engine import ICudaEngine, IPluginRegistry
from penstock.trt.enums import BuilderFlag, MemoryPoolType, Severity
from penstock.trt.logger import checked_logger, logged
from penstock.trt.network import INetworkDefinition
from penstock.trt.types import IHostMemory, host_memory
from penstock.trt.unsupported import Checked, Option


class _Stopped(Exception):
    """A progress monitor ended the build."""


class _Progress:
    """Tells a progress monitor of phases, each a step of the whole."""

    _ROOT = "Building the engine"
    _STEPS = 100

    def __init__(self, monitor: Any):
        self._monitor = monitor
        self._phase: str | None = None
        self._steps = 0

    def start(self) -> None:
        self._monitor.phase_start(self._ROOT, None, self._STEPS)

    def __call__(self, what: str, fraction: float) -> None:
        if what != self._phase:
            self._finish_phase()
            self._phase = what
            self._monitor.phase_start(what, self._ROOT, 1)
        while self._steps < int(fraction * self._STEPS):
            self._steps += 1
            if self._monitor.step_complete(self._ROOT, self._steps - 1) is False:
                raise _Stopped
        if what == "done":
            self._finish_phase()

    def _finish_phase(self) -> None:
        if self._phase is not None:
            self._monitor.phase_finish(self._phase)
            self._phase = None

    def finish(self) -> None:
        self._finish_phase()
        self._monitor.phase_finish(self._ROOT)


class Builder(Checked):
    """Makes networks, configurations and plans."""

    error_recorder = Option(None)
    max_threads = Option(1)
    max_batch_size = Option(1)
    platform_has_tf32 = property(lambda self: False)
    platform_has_fast_fp16 = property(lambda self: cuda.gpu() is not None)
    platform_has_fast_int8 = property(lambda self: True)
    num_DLA_cores = property(lambda self: 0)  # noqa: N815
    max_DLA_batch_size = property(lambda self: 0)  # noqa: N815

    def __init__(self, logger: Any):
        self._logger = checked_logger(logger, "Builder")

    @property
    def logger(self) -> Any:
        return self._logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(self._logger, flags, self)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig(self._logger)

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def get_plugin_registry(self) -> IPluginRegistry:
        return IPluginRegistry()

    def reset(self) -> None:
        pass

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
        """None where the build failed: the logger was told why."""
        plan = self._build(network, config)
        return None if plan is None else host_memory(plan)

    def build_serialized_network_to_stream(self, network: INetworkDefinition, config: IBuilderConfig, writer: Any) -> bool:
        plan = self._build(network, config)
        if plan is None:
            return False
        data = bytes(plan)
        return writer.write(data) == len(data)

    def build_engine(self, network: INetworkDefinition, config: IBuilderConfig) -> ICudaEngine | None:
        plan = self._build(network, config)
        return None if plan is None else ICudaEngine(plan, self._logger)

    def build_engine_with_config(self, network: INetworkDefinition, config: IBuilderConfig) -> ICudaEngine | None:
        return self.build_engine(network, config)

    def is_network_supported(self, network: INetworkDefinition, config: IBuilderConfig) -> bool:
        with logged(self._logger, self.error_recorder) as outcome:
            penstock.inspect(network._to_model(), external_data=network._folder)
        return outcome.ok

    def _build(self, network: INetworkDefinition, config: IBuilderConfig) -> penstock.Plan | None:
        progress = _Progress(config.progress_monitor) if config.progress_monitor is not None else None
        if progress:
            progress.start()
        plan = None
        try:
            with logged(self._logger, self.error_recorder):
                plan = self._build_plan(network, config, progress)
        except _Stopped:
            self._logger.log(Severity.WARNING, "the progress monitor ended the build")
        finally:
            if progress:
                progress.finish()
        return plan

    def _build_plan(self, network: INetworkDefinition, config: IBuilderConfig, progress: Any) -> penstock.Plan:
        model = network._to_model()
        is_gpu, half = cuda.gpu() is not None, config.get_flag(BuilderFlag.FP16)
        options = {
            "device": cuda.device_in_use().name,
            "fp16": half,
            "bf16": config.get_flag(BuilderFlag.BF16) and not half,
            "tf32": is_gpu and config._tf32_asked and config.get_flag(BuilderFlag.TF32),
            "profiles": [self._profile(profile) for profile in config._profiles],
            "optimization_level": config.builder_optimization_level,
            "workspace": config.get_memory_pool_limit(MemoryPoolType.WORKSPACE),
            "external_data": "" if isinstance(model, str) else network._folder,
            "progress": progress,
            "log": lambda line: self._logger.log(Severity.VERBOSE, line),
            "warn": lambda line: self._logger.log(Severity.WARNING, line),
        }
        if config.get_flag(BuilderFlag.INT8):
            options["int8"] = True
            options["calibration"] = calibration_table(model, options["external_data"], network, config, self._logger,
                                                       progress)
        cache = None if config.get_flag(BuilderFlag.DISABLE_TIMING_CACHE) else config.get_timing_cache()
        if cache is None:
            plan = penstock.build(model, **options)
        else:
            plan = self._build_with(cache, model, options)
        summary = plan.summary
        self._logger.log(Severity.INFO, f"{summary.onnx_nodes} ONNX nodes became {summary.kernels} kernels in "
                                        f"{summary.seconds:.1f} s; {summary.tactics_measured} tactics measured, "
                                        f"{summary.tactics_cached} from the timing cache")
        return plan

    def _build_with(self, cache: Any, model: Any, options: dict[str, Any]) -> penstock.Plan:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "times")
            if cache._content:
                with open(path, "wb") as file:
                    file.write(cache._content)
            try:
                return penstock.build(model, timing_cache=path, **options)
            finally:
                if os.path.exists(path):
                    with open(path, "rb") as file:
                        cache._content = file.read()

    def _profile(self, profile: IOptimizationProfile) -> penstock.Profile:
        shapes = profile._shapes
        return penstock.Profile(*({name: tuple(three[index]) for name, three in shapes.items()} for index in range(3)),
                                values=dict(profile._values))
