# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The shape of pycuda.driver over the device in use: a GPU where there is one, unless PENSTOCK_DEVICE says otherwise.

    import penstock.cuda as cuda      # for: import pycuda.driver as cuda
    import penstock.cuda.autoinit     # for: import pycuda.autoinit

Addresses are plain integers. A Stream runs its copies and executions in order, beside the caller. On the CPU, device memory
is host memory.
"""
from __future__ import annotations

import atexit
import bisect
import builtins
import collections
import ctypes
import itertools
import sys
import threading
import time
import types
import weakref
from typing import Any, Callable

import numpy

import penstock
from penstock import _gpu

_ALIGNMENT = 256


class Error(Exception):
    """What went wrong on a device."""


class LogicError(Error):
    """A call that cannot be right."""


class MemoryError(Error):  # noqa: A001  (pycuda's name)
    """No memory."""


class LaunchError(Error):
    """A run failed."""


class RuntimeError(Error):  # noqa: A001  (pycuda's name)
    """A device failed."""


# --- the device in use ------------------------------------------------------------------------------------------------

_device: penstock.Device | None = None


def device_in_use() -> penstock.Device:
    """Chosen at the first use: what PENSTOCK_DEVICE names, else a GPU where there is one; Device.make_context() changes it."""
    global _device
    if _device is None:
        _device = penstock.Device("auto")
    return _device


def gpu() -> penstock.Device | None:
    """The device in use, where it is no CPU."""
    device = device_in_use()
    return None if device.is_host else device


# --- memory ---------------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_starts: list[int] = []
_blocks: dict[int, weakref.ref[Any]] = {}  # address: its bytes, or a penstock.Buffer


def _register(address: int, block: Any) -> None:
    with _lock:
        bisect.insort(_starts, address)
        _blocks[address] = weakref.ref(block)


def _forget(address: int) -> None:
    with _lock:
        if _blocks.pop(address, None) is not None:
            _starts.pop(bisect.bisect_left(_starts, address))


def _block_at(address: int) -> tuple[Any, int]:
    """The allocation that an address lies in, and the offset there; None where mem_alloc did not make it."""
    with _lock:
        index = bisect.bisect_right(_starts, address) - 1
        start = _starts[index] if index >= 0 else 0
        block = _blocks[start]() if index >= 0 else None
    return (block, address - start) if block is not None and address - start < max(block.nbytes, 1) else (None, 0)


def _from(address: int) -> numpy.ndarray | None:
    """The bytes from an address to the end of the allocation it lies in; None where mem_alloc did not make it."""
    block, offset = _block_at(address)
    return None if block is None else block[offset:]


def checked_memory(address: int, size: int, what: str) -> Any:
    """What keeps `size` bytes of the GPU in use, or of the host, alive; an error where they do not fit what mem_alloc made."""
    if size == 0:
        return None
    if address == 0:
        raise LogicError(f"{what}: the address is null")
    block, offset = _block_at(address)
    if block is not None and size > block.nbytes - offset:
        raise LogicError(f"{what}: {size} bytes do not fit the {block.nbytes - offset} that are allocated at this address")
    return block


def _aligned(size: int) -> numpy.ndarray:
    """Bytes that begin at a multiple of 256."""
    try:
        whole = numpy.empty(size + _ALIGNMENT, numpy.uint8)
    except (ValueError, builtins.MemoryError):
        raise MemoryError(f"mem_alloc: no memory for {size} bytes") from None
    offset = -whole.ctypes.data % _ALIGNMENT
    return whole[offset:offset + size]


class DeviceAllocation:
    """Device memory; int() is its address."""

    def __init__(self, size: int):
        self.size = size
        device = gpu()
        if device is None:
            self._bytes: Any = _aligned(size)
            self._address = self._bytes.ctypes.data
        else:
            self._bytes = _gpu.translated(MemoryError, device.allocate, size)
            self._address = self._bytes.address
        _register(self._address, self._bytes)

    def __int__(self) -> int:
        if self._bytes is None:
            raise LogicError("DeviceAllocation: the memory was freed")
        return self._address

    __index__ = __int__

    def __add__(self, offset: int) -> int:
        return int(self) + offset

    def free(self) -> None:
        if self._bytes is None:
            raise LogicError("DeviceAllocation.free: the memory was freed before")
        _forget(self._address)
        self._bytes = None

    def as_buffer(self, size: int, offset: int = 0) -> memoryview:
        int(self)
        if not isinstance(self._bytes, numpy.ndarray):
            raise LogicError("DeviceAllocation.as_buffer: the host cannot read memory of a GPU; copy it with memcpy_dtoh")
        return memoryview(self._bytes)[offset:offset + size]

    def __del__(self) -> None:
        if getattr(self, "_bytes", None) is not None:
            _forget(self._address)


def mem_alloc(bytes: int) -> DeviceAllocation:  # noqa: A002  (pycuda's name)
    size = int(bytes)
    if size < 0:
        raise LogicError(f"mem_alloc: {size} bytes")
    return DeviceAllocation(size)


def mem_alloc_like(array: numpy.ndarray) -> DeviceAllocation:
    return mem_alloc(array.nbytes)


def mem_get_info() -> tuple[int, int]:
    """Free and total bytes."""
    device = gpu()
    if device is not None:
        return device.free_memory, device.total_memory
    facts = {}
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            name, value = line.split(":")
            facts[name] = int(value.split()[0]) * 1024
    return facts["MemAvailable"], facts["MemTotal"]


def address_of(memory: Any) -> int:
    """An address from what scripts give: integers, allocations, NumPy arrays, ctypes pointers, tensors of PyTorch."""
    if memory is None:
        return 0
    if isinstance(memory, numpy.ndarray):
        return memory.ctypes.data
    if isinstance(memory, ctypes._SimpleCData):
        return int(memory.value or 0)
    if hasattr(memory, "data_ptr"):
        return int(memory.data_ptr())
    try:
        address = int(memory)
    except (TypeError, ValueError):
        raise TypeError(f"expected an address or device memory, got {type(memory).__name__}") from None
    if not 0 <= address < 2**64:
        raise LogicError(f"{address} is no address")
    return address


class _Foreign:
    """Memory that NumPy looks at where it is."""

    def __init__(self, address: int, size: int):
        self.__array_interface__ = {"data": (address, False), "shape": (size,), "typestr": "|u1", "version": 3}


def array_at(address: int, shape: tuple[int, ...], dtype: Any, what: str = "memory") -> numpy.ndarray:
    """An array over device memory. It keeps what mem_alloc made alive; other memory is the caller's to keep."""
    dtype = numpy.dtype(dtype)
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    if size == 0:
        return numpy.empty(shape, dtype)
    if address == 0:
        raise LogicError(f"{what}: the address is null")
    rest = _from(address)
    if rest is None:
        rest = numpy.asarray(_Foreign(address, size))
    elif size > rest.size:
        raise LogicError(f"{what}: {size} bytes do not fit the {rest.size} that are allocated at this address")
    return rest[:size].view(dtype).reshape(shape)


def write_memory(address: int, array: numpy.ndarray, what: str) -> None:
    """Copies an array to device memory; returns when it is there."""
    device = gpu()
    if device is None:
        array_at(address, array.shape, array.dtype, what)[...] = array
        return
    checked_memory(address, array.nbytes, what)
    array = numpy.ascontiguousarray(array)
    _gpu.copy(device, address, array.ctypes.data, array.nbytes, None)


# --- page-locked memory: the host's; where there is no GPU, ordinary memory -------------------------------------------

class host_alloc_flags:  # noqa: N801  (pycuda's name)
    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


class mem_attach_flags:  # noqa: N801  (pycuda's name)
    GLOBAL, HOST, SINGLE = 1, 2, 4


def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> numpy.ndarray:
    shape = (shape,) if isinstance(shape, (int, numpy.integer)) else tuple(shape)
    dtype = numpy.dtype(dtype)
    count = 1
    for extent in shape:
        if extent < 0:
            raise LogicError(f"pagelocked_empty: the shape {shape} has a negative extent; set the input shapes first")
        count *= int(extent)
    size, device = count * dtype.itemsize, gpu()
    memory = _aligned(size) if device is None else _gpu.translated(MemoryError, _gpu.page_locked, device, size)
    return memory.view(dtype).reshape(shape, order=order)


def pagelocked_zeros(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> numpy.ndarray:
    array = pagelocked_empty(shape, dtype, order, mem_flags)
    array[...] = 0
    return array


def pagelocked_empty_like(array: numpy.ndarray, mem_flags: int = 0) -> numpy.ndarray:
    return pagelocked_empty(array.shape, array.dtype, mem_flags=mem_flags)


def pagelocked_zeros_like(array: numpy.ndarray, mem_flags: int = 0) -> numpy.ndarray:
    return pagelocked_zeros(array.shape, array.dtype, mem_flags=mem_flags)


def aligned_empty(shape: Any, dtype: Any, order: str = "C", alignment: int = 4096) -> numpy.ndarray:
    return pagelocked_empty(shape, dtype, order)


def managed_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> numpy.ndarray:
    return pagelocked_empty(shape, dtype, order)


def managed_zeros(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> numpy.ndarray:
    return pagelocked_zeros(shape, dtype, order)


def register_host_memory(array: numpy.ndarray, flags: int = 0) -> numpy.ndarray:
    return array


# --- streams and events ----------------------------------------------------------------------------------------------

_handles = itertools.count(1)
_streams: weakref.WeakValueDictionary[int, Stream] = weakref.WeakValueDictionary()
_queues: weakref.WeakSet[_Queue] = weakref.WeakSet()  # a thread keeps its queue, also when the stream is gone


class _Queue:
    """What a stream has still to do, and its thread, which keeps no reference to the stream."""

    def __init__(self) -> None:
        self.tasks: collections.deque[Callable[[], object]] = collections.deque()
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None
        self.running = False
        self.closed = False
        self.error: BaseException | None = None
        _queues.add(self)

    def put(self, task: Callable[[], object]) -> None:
        with self.changed:
            self.tasks.append(task)
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, name="penstock.cuda.Stream", daemon=True)
                self.thread.start()
            self.changed.notify_all()

    def _work(self) -> None:
        while True:
            with self.changed:
                self.running = False
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.tasks or self.closed)
                if not self.tasks:
                    return
                task, self.running = self.tasks.popleft(), True
            try:
                task()
            except BaseException as error:  # the caller's at the next synchronize()
                self.error = self.error or error
            del task

    def idle(self) -> bool:
        return not self.tasks and not self.running

    def wait(self) -> None:
        if threading.current_thread() is self.thread:
            raise LogicError("a stream cannot wait for itself")
        with self.changed:
            self.changed.wait_for(self.idle)
            error, self.error = self.error, None
        if error is not None:
            raise error

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()


class Stream:
    """An in-order queue; synchronize() raises what went wrong in it."""

    def __init__(self, flags: int = 0):
        device = gpu()
        self._native = None if device is None else device.create_stream()
        if self._native is None:
            self._queue = _Queue()
            self.handle = next(_handles) * 16
            weakref.finalize(self, self._queue.close)
        else:
            self.handle = self._native.handle
        _streams[self.handle] = self

    def __int__(self) -> int:
        return self.handle

    __index__ = __int__

    def synchronize(self) -> None:
        if self._native is None:
            self._queue.wait()
        else:
            _gpu.translated(LaunchError, self._native.synchronize)

    def is_done(self) -> bool:
        if self._native is not None:
            return self._native.is_done
        with self._queue.changed:
            return self._queue.idle()

    def wait_for_event(self, event: Event) -> None:
        if self._native is not None:
            self._native.wait_for(event._native)
            return
        recorded = event._done
        if recorded is not None:
            self._queue.put(recorded.wait)


def _stream_of(stream: Any) -> Stream | None:
    return stream if isinstance(stream, Stream) else _streams.get(int(stream)) if stream is not None else None


def is_queued(stream: Any) -> bool:
    """Whether enqueue() hands a task to a thread."""
    found = _stream_of(stream)
    return found is not None and found._native is None


def native_stream(stream: Any) -> penstock.Stream:
    """The GPU's stream of a Stream, or of a stream of others (torch.cuda.Stream, a cudaStream_t); None, 0: the default stream."""
    return _gpu.queue_of(device_in_use(), stream)


def enqueue(stream: Any, task: Callable[[], object]) -> None:
    """Runs a task on a Stream of the CPU or its handle; at once on the default stream (None, 0) and on all others."""
    found = _stream_of(stream)
    if found is None or found._native is not None:
        task()
    else:
        found._queue.put(task)


class event_flags:  # noqa: N801  (pycuda's name)
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING, INTERPROCESS = 0, 1, 2, 4


class Event:
    """A point in a stream, and when it was reached."""

    def __init__(self, flags: int = 0):
        device = gpu()
        self._native = None if device is None else device.create_event()
        self._done: threading.Event | None = None
        self._seconds = 0.0

    def record(self, stream: Any = None) -> Event:
        if self._native is not None:
            self._native.record(native_stream(stream))
            return self
        done = self._done = threading.Event()

        def reach() -> None:
            self._seconds = time.perf_counter()
            done.set()
        enqueue(stream, reach)
        return self

    def synchronize(self) -> Event:
        if self._native is not None:
            _gpu.translated(LaunchError, self._native.synchronize)
        if self._done is not None:
            self._done.wait()
        return self

    def query(self) -> bool:
        if self._native is not None:
            return self._native.is_reached
        return self._done is None or self._done.is_set()

    def time_since(self, event: Event) -> float:
        """Milliseconds."""
        if self._native is not None:
            return _gpu.translated(LogicError, self._native.elapsed_ms, event._native)
        if self._done is None or event._done is None:
            raise LogicError("Event.time_since: both events must be recorded")
        self.synchronize()
        event.synchronize()
        return (self._seconds - event._seconds) * 1000

    def time_till(self, event: Event) -> float:
        return event.time_since(self)


# --- copies ----------------------------------------------------------------------------------------------------------

def _host_memory(array: Any, what: str, writable: bool) -> tuple[int, int, Any]:
    """Address and bytes of a host array, and what keeps it alive."""
    if not isinstance(array, numpy.ndarray):
        view = memoryview(array) if _has_buffer(array) else None
        array = numpy.asarray(array if view is None else view)
    if not array.flags.c_contiguous and not array.flags.f_contiguous:
        raise LogicError(f"{what}: the host array is not contiguous; numpy.ascontiguousarray() makes a copy that is")
    if writable and not array.flags.writeable:
        raise LogicError(f"{what}: the host array is read-only")
    return array.ctypes.data, array.nbytes, array


def _has_buffer(array: Any) -> bool:
    try:
        memoryview(array).release()
    except TypeError:
        return False
    return True


def _copy(what: str, target: int, source: int, size: int, stream: Any, keep: list[Any]) -> None:
    device = gpu()
    if device is not None:
        for address in (target, source):
            checked_memory(address, size, what)
        _gpu.translated(LogicError, _gpu.copy, device, target, source, size, stream)
        return
    to, of = (array_at(address, (size,), numpy.uint8, what) for address in (target, source))

    def move() -> None:
        to[...] = of
        keep.clear()  # held until now
    enqueue(stream, move)


def _check_on_device(what: str, address: int, size: int) -> int:
    """A GPU's driver tells its memory from the host's."""
    device = gpu()
    if device is not None:
        checked_memory(address, size, what)
    if device is not None and size and not device.can_reach(address):
        raise LogicError(f"{what}: the address is no memory of {device.name}; mem_alloc gives some")
    return address


def memcpy_htod(dest: Any, src: Any) -> None:
    memcpy_htod_async(dest, src, None)


def memcpy_htod_async(dest: Any, src: Any, stream: Any = None) -> None:
    address, size, owner = _host_memory(src, "memcpy_htod", writable=False)
    target = _check_on_device("memcpy_htod", address_of(dest), size)
    _copy("memcpy_htod", target, address, size, stream, [owner, dest])


def memcpy_dtoh(dest: Any, src: Any) -> None:
    memcpy_dtoh_async(dest, src, None)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Any = None) -> None:
    address, size, owner = _host_memory(dest, "memcpy_dtoh", writable=True)
    source = _check_on_device("memcpy_dtoh", address_of(src), size)
    _copy("memcpy_dtoh", address, source, size, stream, [owner, src])


def memcpy_dtod(dest: Any, src: Any, size: int) -> None:
    memcpy_dtod_async(dest, src, size, None)


def memcpy_dtod_async(dest: Any, src: Any, size: int, stream: Any = None) -> None:
    """Between any two addresses; of the device, or of the host as well."""
    _copy("memcpy_dtod", address_of(dest), address_of(src), size, stream, [dest, src])


def _memset(dest: Any, value: int, count: int, dtype: Any, stream: Any = None) -> None:
    address, device = address_of(dest), gpu()
    if device is not None:
        size = count * numpy.dtype(dtype).itemsize
        checked_memory(address, size, "memset")
        _gpu.translated(LogicError, _gpu.fill, device, address, numpy.dtype(dtype).type(value), count, stream)
        return
    array = array_at(address, (count,), dtype)
    enqueue(stream, lambda: array.fill(value))


def memset_d8(dest: Any, data: int, count: int) -> None:
    _memset(dest, data, count, numpy.uint8)


def memset_d16(dest: Any, data: int, count: int) -> None:
    _memset(dest, data, count, numpy.uint16)


def memset_d32(dest: Any, data: int, count: int) -> None:
    _memset(dest, data, count, numpy.uint32)


def memset_d8_async(dest: Any, data: int, count: int, stream: Any = None) -> None:
    _memset(dest, data, count, numpy.uint8, stream)


def memset_d32_async(dest: Any, data: int, count: int, stream: Any = None) -> None:
    _memset(dest, data, count, numpy.uint32, stream)


def to_device(array: numpy.ndarray) -> DeviceAllocation:
    memory = mem_alloc(array.nbytes)
    memcpy_htod(memory, array)
    return memory


def from_device(devptr: Any, shape: Any, dtype: Any, order: str = "C") -> numpy.ndarray:
    array = numpy.empty(shape, dtype, order)
    memcpy_dtoh(array, devptr)
    return array


# --- devices and contexts: one is current at a time --------------------------------------------------------------------

class ctx_flags:  # noqa: N801  (pycuda's name)
    SCHED_AUTO, SCHED_SPIN, SCHED_YIELD, SCHED_BLOCKING_SYNC, MAP_HOST = 0, 1, 2, 4, 8


class Context:
    """The context of the device in use."""

    def __init__(self, device: Device | None = None):
        self._device = device or Device(0)

    def push(self) -> None:
        pass

    @staticmethod
    def pop() -> None:
        pass

    def detach(self) -> None:
        pass

    @staticmethod
    def synchronize() -> None:
        for queue in list(_queues):
            queue.wait()
        if _device is not None:
            _gpu.translated(LaunchError, _device.synchronize)

    @staticmethod
    def get_current() -> Context:
        return context

    @staticmethod
    def get_device() -> Device:
        return context._device


class Device:
    """A GPU by its number; without one, 0 is the CPU."""

    def __init__(self, number: int = 0):
        if number != 0 and not 0 <= number < Device.count():
            what = "the CPU" if gpu() is None else f"the first of {Device.count()}"
            raise LogicError(f"Device: there is no device {number}; there is 0, {what}")
        self._number = number

    def _facts(self) -> penstock.Device:
        return device_in_use() if gpu() is None else penstock.Device(f"cuda:{self._number}")

    @staticmethod
    def count() -> int:
        return 1 if gpu() is None else sum(name.startswith("cuda:") for name in penstock.Device.list())

    def name(self) -> str:
        return "CPU" if gpu() is None else self._facts().product_name

    def total_memory(self) -> int:
        return self._facts().total_memory

    def compute_capability(self) -> tuple[int, int]:
        return _gpu.compute_capability(self._facts())

    def make_context(self, flags: int = 0) -> Context:
        """Makes this the device in use, for memory, streams and engines made from here on."""
        global _device
        if gpu() is not None:
            _device = self._facts()
            context._device = self
        return context

    def retain_primary_context(self) -> Context:
        return self.make_context()


context = Context(Device(0))


def init(flags: int = 0) -> None:
    pass


def get_version() -> tuple[int, int, int]:
    return (0, 0, 0)


def get_driver_version() -> int:
    return 0


def __getattr__(name: str) -> Any:
    if name in ("SourceModule", "Function", "Module", "module_from_file", "module_from_buffer", "Array", "TextureReference"):
        from penstock.trt.unsupported import error
        raise error(f"pycuda.{name}", "kernels in CUDA C do not run here; make them layers of the network")
    raise AttributeError(f"module 'penstock.cuda' has no attribute '{name}'")


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(f"{__name__}.{name}", f"pycuda's {name}: there is nothing to start.")
    vars(module).update(members)
    sys.modules[module.__name__] = module
    return module


# `import penstock.cuda.autoinit` finds them in sys.modules; a package without files of its own.
__path__: list[str] = []
autoinit = _module("autoinit", context=context, device=context._device)
autoprimaryctx = _module("autoprimaryctx", context=context, device=context._device)
driver = sys.modules[f"{__name__}.driver"] = sys.modules[__name__]


@atexit.register
def _finish() -> None:
    # A thread that runs a plan must not meet an interpreter that ends.
    for queue in list(_queues):
        try:
            queue.wait()
        except Exception as error:
            print(f"penstock.cuda: an error that nobody synchronized for: {error}", file=sys.stderr)
