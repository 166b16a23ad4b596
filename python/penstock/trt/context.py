# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""IExecutionContext: runs an engine on memory that is given by address."""
from __future__ import annotations

import threading
from typing import Any

import numpy

import penstock
from penstock import cuda
from penstock.errors import InvalidArgumentError
from penstock.trt.enums import ProfilingVerbosity, Severity
from penstock.trt.logger import logged
from penstock.trt.types import Dims
from penstock.trt.unsupported import Checked, Option

_ALIGNMENT = 256


class IExecutionContext(Checked):
    """One run of an engine at a time, with shapes and memory of its own."""

    error_recorder = Option(None)
    debug_sync = Option(False)
    name = Option("")
    nvtx_verbosity = Option(ProfilingVerbosity.LAYER_NAMES_ONLY)
    persistent_cache_limit = Option(0)
    enqueue_emits_profile = Option(True)

    def __init__(self, engine: Any, needs_memory: bool = False):
        self._engine = engine
        self._needs_memory = needs_memory
        self._device_memory: Any = None  # what was given, kept
        self._context = engine._engine.create_context(profile=0)
        self._profile = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._values: dict[str, numpy.ndarray] = {}
        self._addresses: dict[str, int] = {}
        self._owners: dict[str, Any] = {}
        self._allocators: dict[str, Any] = {}
        self._ran: dict[str, tuple[int, ...]] = {}  # shapes that only the last run told
        self._bound: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._memory: dict[str, Any] = {}  # of a GPU, that is bound
        self._profiler: Any = None
        self._consumed: Any = None
        self._pending: threading.Event | None = None
        for name, tensor in engine._inputs.items():
            if -1 not in tensor.shape:
                self._set_shape(name, tensor.shape)

    @property
    def engine(self) -> Any:
        return self._engine

    # --- shapes ------------------------------------------------------------------------------------------------------
    def _settle(self) -> None:
        """An enqueued run ends before what it uses changes."""
        if self._pending is not None:
            self._pending.wait()
            self._pending = None

    def _set_shape(self, name: str, shape: Any) -> None:
        if name not in self._engine._inputs:
            raise InvalidArgumentError(f"no input is named '{name}'; there are {', '.join(self._engine._inputs)}")
        shape = tuple(int(extent) for extent in shape)
        if any(extent < 0 for extent in shape):
            raise InvalidArgumentError(f"input '{name}': the shape {list(shape)} has a negative extent")
        self._settle()
        self._context.set_input_shape(name, shape)
        self._bound.pop(name, None)
        self._shapes[name] = shape
        self._ran.clear()

    def set_input_shape(self, name: str, shape: Any) -> bool:
        with logged(self._engine._logger, self.error_recorder) as outcome:
            self._set_shape(name, shape)
        return outcome.ok

    def _active_binding(self, binding: int | str) -> str | None:
        """The tensor of a binding; None, and the logger is told, for one of another profile."""
        name, profile = self._engine._place(binding)
        if isinstance(binding, int) and profile != self._profile:
            self._engine._logger.log(Severity.ERROR, f"binding {binding} is '{name}' of profile {profile}, and profile "
                                                     f"{self._profile} is active")
            return None
        return name

    def set_binding_shape(self, binding: int | str, shape: Any) -> bool:
        name = self._active_binding(binding)
        return name is not None and self.set_input_shape(name, shape)

    def set_shape_input(self, binding: int | str, shape: Any) -> bool:
        """The values of an input that holds a shape; the run reads them from here, not from its address."""
        name = self._active_binding(binding)
        if name is None:
            return False
        with logged(self._engine._logger, self.error_recorder) as outcome:
            self._set_values(name, list(shape))
        return outcome.ok

    def _set_values(self, name: str, values: list[int]) -> None:
        if name not in self._engine._inputs:
            raise InvalidArgumentError(f"set_shape_input: '{name}' is no input; there are {', '.join(self._engine._inputs)}")
        limits = self._engine._values[self._profile].get(name)
        if limits is not None:
            for i, (value, low, high) in enumerate(zip(values, limits[0], limits[2] or values)):
                if not low <= value <= high:
                    raise InvalidArgumentError(f"input '{name}' holds {values}: value {i} is outside profile {self._profile}, "
                                               f"{low} to {high}")
        tensor = self._engine._inputs[name]
        array = numpy.ascontiguousarray(values, tensor.dtype).reshape(() if not tensor.shape and len(values) == 1 else -1)
        self._settle()
        self._context.set_input(name, array)
        self._values[name] = array
        self._shapes[name] = array.shape
        self._bound.pop(name, None)
        self._ran.clear()

    def get_shape(self, binding: int | str) -> list[int]:
        return [int(value) for value in numpy.ravel(self._values.get(self._engine._binding(binding), ()))]

    def get_tensor_shape(self, name: str) -> Dims:
        """-1 where inputs have no shapes yet, or only the run tells."""
        self._engine._tensor(name)
        if name in self._ran:
            return Dims(self._ran[name])
        if name in self._shapes:
            return Dims(self._shapes[name])
        if name in self._engine._inputs or len(self._shapes) < len(self._engine._inputs):
            return self._engine.get_tensor_shape(name)
        self._settle()
        return Dims(self._context.shape(name))

    def get_binding_shape(self, binding: int | str) -> Dims:
        return self.get_tensor_shape(self._engine._binding(binding))

    def get_tensor_strides(self, name: str) -> Dims:
        shape = self.get_tensor_shape(name)
        strides, step = [], 1
        for extent in reversed(shape):
            strides.append(-1 if extent < 0 or step < 0 else step)
            step = -1 if extent < 0 or step < 0 else step * extent
        return Dims(strides[::-1])

    def get_strides(self, binding: int | str) -> Dims:
        return self.get_tensor_strides(self._engine._binding(binding))

    def infer_shapes(self) -> list[str]:
        """The inputs that have no shape yet."""
        return [name for name in self._engine._inputs if name not in self._shapes]

    @property
    def all_binding_shapes_specified(self) -> bool:
        return not self.infer_shapes()

    @property
    def all_shape_inputs_specified(self) -> bool:
        return all(name in self._values or self._addresses.get(name) for name in self._engine._shape_inputs)

    def get_max_output_size(self, name: str) -> int:
        """Bytes of an output at the present input shapes; 0 where only the run tells."""
        shape = self.get_tensor_shape(name)
        return -1 if name not in self._engine._outputs else max(
            0, int(numpy.prod(list(shape), dtype=object)) * self._engine._outputs[name].dtype.itemsize
            if -1 not in shape else 0)

    # --- memory ------------------------------------------------------------------------------------------------------
    def set_device_memory(self, memory: Any, size: int) -> None:
        """For workspace and the values between layers, `size` bytes, which the caller keeps; of a context that was made
        without. That no two contexts run on it at the same time is the caller's affair."""
        if not self._needs_memory:
            raise InvalidArgumentError("set_device_memory: the context has its own memory; make one with "
                                       "create_execution_context_without_device_memory()")
        address = cuda.address_of(memory)
        if address:
            cuda.checked_memory(address, size, "device memory")
        self._settle()
        self._context.set_scratch_memory(address, size)
        self._device_memory = memory if address else None

    @property
    def device_memory(self) -> Any:
        """Memory of engine.device_memory_size bytes: set_device_memory() of TensorRT before version 10."""
        return self._device_memory

    @device_memory.setter
    def device_memory(self, memory: Any) -> None:
        self.set_device_memory(memory, self._engine.device_memory_size)

    def update_device_memory_size_for_shapes(self) -> int:
        """Bytes of device memory that the present input shapes need."""
        self._settle()
        return self._context.scratch_bytes

    def set_tensor_address(self, name: str, memory: Any) -> bool:
        with logged(self._engine._logger, self.error_recorder) as outcome:
            self._engine._tensor(name)
            self._addresses[name] = cuda.address_of(memory)
            self._owners[name] = memory
            if name in self._engine._shape_inputs and name in self._shapes and self._addresses[name]:
                # What it holds tells the shapes of outputs, before the run.
                self._settle()
                self._values.pop(name, None)
                self._bind_one(self._context.set_input, name, self._addresses[name], self._shapes[name], self._engine._inputs[name])
        return outcome.ok

    def set_input_tensor_address(self, name: str, memory: Any) -> bool:
        return self.set_tensor_address(name, memory)

    def set_output_tensor_address(self, name: str, memory: Any) -> bool:
        return self.set_tensor_address(name, memory)

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    get_output_tensor_address = get_tensor_address

    def set_output_allocator(self, name: str, output_allocator: Any) -> bool:
        if name not in self._engine._outputs:
            self._engine._logger.log(Severity.ERROR, f"set_output_allocator: no output is named '{name}'")
            return False
        if output_allocator is None:
            self._allocators.pop(name, None)
        else:
            self._allocators[name] = output_allocator
        return True

    def get_output_allocator(self, name: str) -> Any:
        return self._allocators.get(name)

    # --- profiles and profilers --------------------------------------------------------------------------------------
    @property
    def active_optimization_profile(self) -> int:
        """0 at first. Changing it forgets the shapes of inputs that vary."""
        return self._profile

    @active_optimization_profile.setter
    def active_optimization_profile(self, index: int) -> None:
        self.set_optimization_profile_async(index, 0)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        with logged(self._engine._logger, self.error_recorder) as outcome:
            if profile_index < 0:
                raise InvalidArgumentError(f"no profile {profile_index}; they are numbered from 0")
            self._settle()
            self._context.set_optimization_profile(profile_index)
            if profile_index != self._profile:
                self._profile = profile_index
                self._forget_shapes()
        return outcome.ok

    def _forget_shapes(self) -> None:
        self._values.clear()
        self._ran.clear()
        for name, tensor in self._engine._inputs.items():
            if -1 in tensor.shape:
                self._shapes.pop(name, None)

    @property
    def profiler(self) -> Any:
        return self._profiler

    @profiler.setter
    def profiler(self, profiler: Any) -> None:
        self._settle()
        self._profiler = profiler
        self._context.set_profiler(None if profiler is None else profiler.report_layer_time)

    def report_to_profiler(self) -> bool:
        """Times were reported as the layers ran."""
        return self._profiler is not None

    def set_input_consumed_event(self, event: Any) -> bool:
        """Recorded in each enqueued run once its inputs may be overwritten. Runs with an event of others are waited for."""
        with logged(self._engine._logger, self.error_recorder) as outcome:
            self._settle()
            if cuda.gpu() is not None:
                self._context.set_input_consumed_event(getattr(event, "_native", None))
            self._consumed = event
        return outcome.ok

    def get_input_consumed_event(self) -> Any:
        return self._consumed

    def set_aux_streams(self, aux_streams: list[int]) -> None:
        """A context has its own threads; these stay idle."""

    # --- runs --------------------------------------------------------------------------------------------------------
    def execute_v2(self, bindings: Any) -> bool:
        """Runs on a list of addresses, one for each binding, and returns when it is done."""
        return self._start(self._binding_addresses, bindings, None)

    def execute_async_v2(self, bindings: Any, stream_handle: Any, input_consumed: Any = None) -> bool:
        if input_consumed is not None and input_consumed is not self._consumed:
            self.set_input_consumed_event(input_consumed)
        return self._start(self._binding_addresses, bindings, stream_handle)

    def execute(self, batch_size: int = 1, bindings: Any = ()) -> bool:
        return self._start(self._binding_addresses, bindings, None, batch_size)

    def execute_async(self, batch_size: int = 1, bindings: Any = (), stream_handle: Any = 0, input_consumed: Any = None) -> bool:
        return self._start(self._binding_addresses, bindings, stream_handle, batch_size)

    def execute_async_v3(self, stream_handle: Any) -> bool:
        """Runs on the addresses of set_tensor_address."""
        return self._start(lambda _: dict(self._addresses), None, stream_handle)

    def _binding_addresses(self, bindings: Any) -> dict[str, int]:
        addresses = [cuda.address_of(binding) for binding in bindings]
        count = len(self._engine._names)
        if len(addresses) == self._engine.num_bindings:
            addresses = addresses[self._profile * count:(self._profile + 1) * count]
        if len(addresses) != count:
            raise InvalidArgumentError(f"bindings: {len(addresses)} addresses for {self._engine.num_bindings} bindings "
                                       f"({', '.join(self._engine)})")
        return dict(zip(self._engine._names, addresses))

    def _start(self, addresses_of: Any, bindings: Any, stream: Any, batch_size: int = 1) -> bool:
        """At once without a stream; else on the stream, whose synchronize() raises what goes wrong there."""
        with logged(self._engine._logger, self.error_recorder) as outcome:
            if batch_size != 1:
                raise InvalidArgumentError(f"batch_size {batch_size}: the batch is an extent of the inputs; set their shapes")
            if self._needs_memory and self._device_memory is None and self._context.scratch_bytes:
                raise InvalidArgumentError("the context was made without device memory; call set_device_memory")
            addresses = addresses_of(bindings)
            self._settle()
            self._bind(addresses)
            if stream is not None and cuda.gpu() is not None:
                self._issue(addresses, stream)
            elif not cuda.is_queued(stream):
                self._run(addresses, stream)
            else:
                self._enqueue(addresses, stream)
        return outcome.ok

    def _issue(self, addresses: dict[str, int], stream: Any) -> None:
        """On a stream of the GPU: waits only where an output's memory waits for its shape."""
        self._context.enqueue(cuda.native_stream(stream))
        is_foreign = self._consumed is not None and not isinstance(self._consumed, cuda.Event)
        if is_foreign or any(name not in self._bound for name in self._engine._outputs):
            self._context.wait()
            self._deliver_all(addresses, stream)

    def _enqueue(self, addresses: dict[str, int], stream: Any) -> None:
        done = self._pending = threading.Event()

        def run() -> None:
            try:
                self._run(addresses, stream)
            finally:
                done.set()
        cuda.enqueue(stream, run)
        if isinstance(self._consumed, cuda.Event):
            self._consumed.record(stream)

    def _bind(self, addresses: dict[str, int]) -> None:
        missing = self.infer_shapes()
        if missing:
            raise InvalidArgumentError(f"inputs without a shape: {', '.join(missing)}; call set_input_shape")
        for name, tensor in self._engine._inputs.items():
            if name in self._values:
                self._context.set_input(name, self._values[name])
            else:
                self._bind_one(self._context.set_input, name, addresses.get(name, 0), self._shapes[name], tensor)
        for name, tensor in self._engine._outputs.items():
            shape = self._context.shape(name)
            if -1 in shape or name in self._allocators:
                self._bound.pop(name, None)
                self._context.set_output(name, None)
            else:
                self._bind_one(self._context.set_output, name, addresses.get(name, 0), shape, tensor)

    def _bind_one(self, bind: Any, name: str, address: int, shape: tuple[int, ...], tensor: Any) -> None:
        if address == 0 and 0 not in shape:
            raise InvalidArgumentError(f"tensor '{name}' has no address; call set_tensor_address")
        if self._bound.get(name) == (address, shape):  # what is bound keeps its memory
            return
        if cuda.gpu() is not None:
            size = int(numpy.prod(shape, dtype=object)) * tensor.dtype.itemsize
            self._memory[name] = cuda.checked_memory(address, size, f"tensor '{name}' of shape {list(shape)}")
            self._context.set_address(name, address, shape)
        else:
            bind(name, cuda.array_at(address, shape, tensor.dtype, f"tensor '{name}' of shape {list(shape)}"))
        self._bound[name] = (address, shape)

    def _run(self, addresses: dict[str, int], stream: Any) -> None:
        self._context.execute()
        self._deliver_all(addresses, stream)

    def _deliver_all(self, addresses: dict[str, int], stream: Any) -> None:
        for name in self._engine._outputs:
            if name not in self._bound:
                self._deliver(name, self._context.output(name), addresses.get(name, 0), stream)

    def _deliver(self, name: str, array: numpy.ndarray, address: int, stream: Any) -> None:
        """An output whose memory waited for its shape."""
        self._ran[name] = array.shape
        allocator = self._allocators.get(name)
        if allocator is not None:
            size = max(array.nbytes, 1)
            if hasattr(allocator, "reallocate_output_async"):
                address = allocator.reallocate_output_async(name, address, size, _ALIGNMENT, int(stream or 0))
            else:
                address = allocator.reallocate_output(name, address, size, _ALIGNMENT)
            address = cuda.address_of(address)
            if array.nbytes and not address:
                raise penstock.OutOfMemoryError(f"output '{name}': its allocator gave no memory for {size} bytes")
            self._addresses[name] = address
            allocator.notify_shape(name, Dims(array.shape))
        cuda.write_memory(address, array, f"output '{name}' of shape {list(array.shape)}")
