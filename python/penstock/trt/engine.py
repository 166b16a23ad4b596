# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""ICudaEngine, its inspector, and Runtime."""
from __future__ import annotations

import json
import re
from typing import Any, Iterator

import numpy

import penstock
from penstock import cuda
from penstock.trt.context import IExecutionContext
from penstock.trt.enums import (EngineCapability, EngineStat, ExecutionContextAllocationStrategy, HardwareCompatibilityLevel,
                                LayerInformationFormat, ProfilingVerbosity, Severity, TensorFormat, TensorIOMode,
                                TensorLocation)
from penstock.trt.logger import checked_logger, logged
from penstock.trt.types import DataType, Dims, IHostMemory, from_onnx, host_memory
from penstock.trt.unsupported import Checked, Option


_NO_LIMIT = 2**63 - 1
_PROFILE_SUFFIX = re.compile(r"(.*) \[profile (\d{1,9})\]", re.DOTALL)


class IPluginRegistry(Checked):
    """The registry of plugins, of which there are none."""

    error_recorder = Option(None)
    parent_search_enabled = Option(True)
    plugin_creator_list = property(lambda self: [])
    all_creators = property(lambda self: [])
    all_creators_recursive = property(lambda self: [])

    def get_plugin_creator(self, type: str, version: str, plugin_namespace: str = "") -> None:  # noqa: A002
        return None

    def get_creator(self, type: str, version: str, plugin_namespace: str = "") -> None:  # noqa: A002
        return None


class Bindings:
    """The API by numbers, gone since TensorRT 10: inputs first, then outputs, and all of them again for each profile."""

    _tensors: dict[str, Any]
    _names: list[str]
    num_optimization_profiles: int

    def _place(self, binding: int | str) -> tuple[str, int]:
        """The tensor's name and the profile of a binding; its name in profile 1 is 'x [profile 1]'."""
        if isinstance(binding, str):
            index = self.get_binding_index(binding)
            if index < 0:
                self._tensor(binding)
            binding = index
        if not 0 <= binding < self.num_bindings:
            raise IndexError(f"binding {binding}: there are {self.num_bindings}")
        return self._names[binding % len(self._names)], binding // len(self._names)

    def _binding(self, binding: int | str) -> str:
        return self._place(binding)[0]

    @property
    def num_bindings(self) -> int:
        return len(self._names) * self.num_optimization_profiles

    def __len__(self) -> int:
        return self.num_bindings

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return (self.get_binding_name(index) for index in range(self.num_bindings))

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            return self.get_binding_index(key)
        self._place(key)
        return self.get_binding_name(key)

    def get_binding_index(self, name: str) -> int:
        if name in self._names:
            return self._names.index(name)
        found = _PROFILE_SUFFIX.fullmatch(name)
        if found is None or found[1] not in self._names or not 0 < int(found[2]) < self.num_optimization_profiles:
            return -1
        return int(found[2]) * len(self._names) + self._names.index(found[1])

    def get_binding_name(self, index: int) -> str | None:
        if not 0 <= index < self.num_bindings:
            return None
        name, profile = self._place(index)
        return f"{name} [profile {profile}]" if profile else name

    def get_binding_shape(self, binding: int | str) -> Dims:
        return self.get_tensor_shape(self._binding(binding))

    def get_binding_dtype(self, binding: int | str) -> DataType:
        return self.get_tensor_dtype(self._binding(binding))

    def binding_is_input(self, binding: int | str) -> bool:
        return self.get_tensor_mode(self._binding(binding)) == TensorIOMode.INPUT

    def get_location(self, binding: int | str) -> TensorLocation:
        return self.get_tensor_location(self._binding(binding))

    def is_shape_binding(self, binding: int) -> bool:
        return self.is_shape_inference_io(self._binding(binding))

    def is_execution_binding(self, binding: int) -> bool:
        return True

    def get_binding_format(self, index: int) -> TensorFormat:
        return TensorFormat.LINEAR

    def get_binding_format_desc(self, index: int) -> str:
        return self.get_tensor_format_desc(self._binding(index))

    def get_binding_bytes_per_component(self, index: int) -> int:
        return self.get_tensor_bytes_per_component(self._binding(index))

    def get_binding_components_per_element(self, index: int) -> int:
        return 1

    def get_binding_vectorized_dim(self, index: int) -> int:
        return -1

    def get_profile_shape(self, profile_index: int, binding: int | str) -> list[Dims]:
        return self.get_tensor_profile_shape(self._binding(binding), profile_index)

    def get_profile_shape_input(self, profile_index: int, binding: int | str) -> list[list[int]]:
        return self.get_tensor_profile_values(self._binding(binding), profile_index)


def _opened(plan: penstock.Plan) -> penstock.Engine:
    """On the GPU in use: the addresses that scripts give are its memory."""
    device = cuda.gpu()
    try:
        return penstock.Engine(plan) if device is None else penstock.Engine(plan, device=device.name)
    except penstock.InvalidArgumentError as problem:
        raise penstock.InvalidArgumentError(f"{problem}; or set PENSTOCK_DEVICE=cpu before the script starts") from None


class ICudaEngine(Bindings, Checked):
    """An opened plan."""

    error_recorder = Option(None)
    has_implicit_batch_dimension = property(lambda self: False)
    max_batch_size = property(lambda self: 1)
    refittable = property(lambda self: False)
    engine_capability = property(lambda self: EngineCapability.STANDARD)
    hardware_compatibility_level = property(lambda self: HardwareCompatibilityLevel.NONE)
    profiling_verbosity = property(lambda self: ProfilingVerbosity.DETAILED)
    tactic_sources = property(lambda self: 0)
    num_aux_streams = property(lambda self: 0)

    def __init__(self, plan: penstock.Plan | bytes, logger: Any):
        self._plan = plan if isinstance(plan, penstock.Plan) else penstock.Plan(plan)
        self._engine = _opened(self._plan)
        self._logger = logger
        self._inputs = {tensor.name: tensor for tensor in self._engine.inputs}
        self._outputs = {tensor.name: tensor for tensor in self._engine.outputs}
        self._tensors = {**self._inputs, **self._outputs}
        self._names = [*self._inputs, *self._outputs]
        self._profiles = self._engine.profiles
        self._values = self._engine.profile_values
        self._shape_inputs = {name for values in self._values for name in values}
        self._facts: dict[str, Any] | None = None
        self._scratch_bytes: dict[int, int] = {}

    def _tensor(self, name: str) -> Any:
        if name not in self._tensors:
            raise ValueError(f"no input or output is named '{name}'; there are {', '.join(self._names)}")
        return self._tensors[name]

    def _inspected(self) -> dict[str, Any]:
        if self._facts is None:
            self._facts = penstock.inspect(self._plan)
        return self._facts

    # --- what it is --------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def num_layers(self) -> int:
        return self._engine.kernels

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    @property
    def device_memory_size(self) -> int:
        """Bytes for workspace and the values between layers, at a profile's largest shapes (its opt shapes where it has no
        largest), under the profile that needs most: what a context without device memory has to be given."""
        return max(map(self.get_device_memory_size_for_profile, range(self.num_optimization_profiles)))

    device_memory_size_v2 = device_memory_size

    def get_device_memory_size_for_profile(self, profile_index: int) -> int:
        if not 0 <= profile_index < self.num_optimization_profiles:
            raise IndexError(f"profile {profile_index}: the engine has {self.num_optimization_profiles}")
        if profile_index not in self._scratch_bytes:
            self._scratch_bytes[profile_index] = max(self._scratch_at(profile_index, which) for which in range(3))
        return self._scratch_bytes[profile_index]

    def _scratch_at(self, profile: int, which: int) -> int:
        """At the profile's min, opt or max: smaller shapes may take tactics that need more."""
        context = self._engine.create_context(profile=profile)
        for name, tensor in self._inputs.items():
            if name in self._values[profile]:
                low, usual, high = self._values[profile][name]
                context.set_input(name, numpy.array((low, usual, high or usual)[which], tensor.dtype).reshape(tensor.shape))
                continue
            shapes = self._profiles[profile].get(name, (tensor.shape,) * 3)
            context.set_input_shape(name, [usual if extent == -1 else extent for extent, usual in zip(shapes[which], shapes[1])])
        return context.scratch_bytes

    get_device_memory_size_for_profile_v2 = get_device_memory_size_for_profile

    @property
    def streamable_weights_size(self) -> int:
        return 0

    def get_engine_stat(self, stat: EngineStat) -> int:
        return self._engine.weight_bytes if stat == EngineStat.TOTAL_WEIGHTS_SIZE else 0

    def serialize(self) -> IHostMemory:
        return host_memory(self._plan)

    # --- tensors by name ----------------------------------------------------------------------------------------------
    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    def get_tensor_name(self, index: int) -> str:
        return self._binding(index)

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        if name in self._inputs:
            return TensorIOMode.INPUT
        return TensorIOMode.OUTPUT if name in self._outputs else TensorIOMode.NONE

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims(self._tensor(name).shape)

    def get_tensor_dtype(self, name: str) -> DataType:
        return from_onnx(self._tensor(name).onnx_dtype, f"tensor '{name}'")

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.HOST if name in self._shape_inputs else TensorLocation.DEVICE

    def is_shape_inference_io(self, name: str) -> bool:
        """True for inputs whose values a profile limits."""
        return name in self._shape_inputs

    def is_debug_tensor(self, name: str) -> bool:
        return False

    def get_tensor_format(self, name: str, profile_index: int = 0) -> TensorFormat:
        return TensorFormat.LINEAR

    def get_tensor_format_desc(self, name: str, profile_index: int = 0) -> str:
        return f"Row-major linear {self.get_tensor_dtype(name).name}"

    def get_tensor_bytes_per_component(self, name: str, profile_index: int = 0) -> int:
        return int(self.get_tensor_dtype(name).itemsize)

    def get_tensor_components_per_element(self, name: str, profile_index: int = 0) -> int:
        return 1

    def get_tensor_vectorized_dim(self, name: str, profile_index: int = 0) -> int:
        return -1

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        """[min, opt, max]; -1 in max where the plan has no limit."""
        if not 0 <= profile_index < self.num_optimization_profiles or name not in self._inputs:
            self._logger.log(Severity.ERROR, f"get_tensor_profile_shape: no input '{name}' in profile {profile_index}; "
                                             f"there are {self.num_optimization_profiles} profiles")
            return []
        return [Dims(shape) for shape in self._profiles[profile_index].get(name, (self._tensor(name).shape,) * 3)]

    def get_tensor_profile_values(self, name: int | str, profile_index: int) -> list[list[int]]:
        """[min, opt, max] of what a shape input may hold; empty for other inputs."""
        if isinstance(name, int):  # TensorRT has them the other way round
            name, profile_index = profile_index, name
        if not 0 <= profile_index < self.num_optimization_profiles or name not in self._inputs:
            self._logger.log(Severity.ERROR, f"get_tensor_profile_values: no input '{name}' in profile {profile_index}; "
                                             f"there are {self.num_optimization_profiles} profiles")
            return []
        if name not in self._values[profile_index]:
            return []
        low, usual, high = self._values[profile_index][name]
        return [list(low), list(usual), list(high) if high is not None else [_NO_LIMIT] * len(low)]

    # --- what it makes ------------------------------------------------------------------------------------------------
    def create_execution_context(self, strategy: ExecutionContextAllocationStrategy =
                                 ExecutionContextAllocationStrategy.STATIC) -> IExecutionContext | None:
        with logged(self._logger, self.error_recorder):
            return IExecutionContext(self, strategy == ExecutionContextAllocationStrategy.USER_MANAGED)
        return None

    def create_execution_context_without_device_memory(self) -> IExecutionContext | None:
        """One that runs on the memory of set_device_memory(), which contexts that do not run at the same time may share."""
        return self.create_execution_context(ExecutionContextAllocationStrategy.USER_MANAGED)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self)


class EngineInspector(Checked):
    """What is inside a plan, as penstock.inspect tells it."""

    execution_context = Option(None)
    error_recorder = Option(None)

    def __init__(self, engine: ICudaEngine):
        self._engine = engine

    def _line(self, layer: dict[str, Any]) -> str:
        outputs = ", ".join(f"{output['name']}{output['shape']}" for output in layer["outputs"])
        return f"{layer['name']}: {layer['op']} -> {outputs}, {layer.get('tactic', '')}"

    def get_layer_information(self, layer_index: int, format: LayerInformationFormat) -> str:  # noqa: A002
        layers = self._engine._inspected()["layers"]
        if not 0 <= layer_index < len(layers):
            self._engine._logger.log(Severity.ERROR, f"get_layer_information: no layer {layer_index} of {len(layers)}")
            return ""
        layer = layers[layer_index]
        return self._line(layer) if format == LayerInformationFormat.ONELINE else json.dumps(_renamed(layer))

    def get_engine_information(self, format: LayerInformationFormat) -> str:  # noqa: A002
        layers = self._engine._inspected()["layers"]
        if format == LayerInformationFormat.ONELINE:
            return "\n".join(["Layers:", *map(self._line, layers), "Bindings:", *self._engine._names])
        return json.dumps({"Layers": [_renamed(layer) for layer in layers], "Bindings": self._engine._names})


def _renamed(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer under TensorRT's keys, with all else that is known of it."""
    def tensors(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"Name": value["name"], "Dimensions": value["shape"], "Format/Datatype": value["type"]} for value in values]
    known = {"Name": layer["name"], "LayerType": layer["op"], "Inputs": tensors(layer["inputs"]),
             "Outputs": tensors(layer["outputs"]), "TacticName": layer.get("tactic", ""),
             "Metadata": "".join(f"[ONNX Layer: {name}]" for name in layer.get("onnx_nodes", []))}
    return {**known, "penstock": layer}


class Runtime(Checked):
    """Opens plans."""

    error_recorder = Option(None)
    max_threads = Option(1)
    engine_host_code_allowed = Option(False)
    num_DLA_cores = property(lambda self: 0)  # noqa: N815

    def __init__(self, logger: Any):
        self._logger = checked_logger(logger, "Runtime")

    @property
    def logger(self) -> Any:
        return self._logger

    def get_plugin_registry(self) -> IPluginRegistry:
        return IPluginRegistry()

    def deserialize_cuda_engine(self, serialized_engine: Any) -> ICudaEngine | None:
        """From bytes or a stream reader; None where they are no plan: the logger was told why."""
        with logged(self._logger, self.error_recorder):
            plan = getattr(serialized_engine, "_plan", None)
            if plan is None:
                plan = _read_all(serialized_engine) if hasattr(serialized_engine, "read") else bytes(serialized_engine)
            return ICudaEngine(plan, self._logger)
        return None


def _read_all(reader: Any, chunk: int = 1 << 24) -> bytes:
    from penstock.trt.callbacks import IStreamReaderV2
    second = isinstance(reader, IStreamReaderV2)
    parts = []
    while part := bytes(reader.read(chunk, 0) if second else reader.read(chunk)):
        parts.append(part)
    return b"".join(parts)
