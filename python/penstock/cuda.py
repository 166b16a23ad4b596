# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The shape of pycuda.driver over the device in use, which for now is the CPU: device memory is host memory.

    import penstock.cuda as cuda      # for: import pycuda.driver as cuda
    import penstock.cuda.autoinit     # for: import pycuda.autoinit

Addresses are plain integers. A Stream runs its copies and executions in order, beside the caller.
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


# --- memory ---------------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_starts: list[int] = []
_blocks: dict[int, weakref.ref[numpy.ndarray]] = {}  # address: its bytes


def _register(block: numpy.ndarray) -> None:
    with _lock:
        bisect.insort(_starts, block.ctypes.data)
        _blocks[block.ctypes.data] = weakref.ref(block)


def _forget(address: int) -> None:
    with _lock:
        if _blocks.pop(address, None) is not None:
            _starts.pop(bisect.bisect_left(_starts, address))


def _from(address: int) -> numpy.ndarray | None:
    """The bytes from an address to the end of the allocation it lies in; None where mem_alloc did not make it."""
    with _lock:
        index = bisect.bisect_right(_starts, address) - 1
        start = _starts[index] if index >= 0 else 0
        block = _blocks[start]() if index >= 0 else None
    return block[address - start:] if block is not None and address - start < max(block.size, 1) else None


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
        self._bytes: numpy.ndarray | None = _aligned(size)
        self._address = self._bytes.ctypes.data
        self.size = size
        _register(self._bytes)

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


# --- page-locked memory: the host's, like all of it ------------------------------------------------------------------

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
    return _aligned(count * dtype.itemsize).view(dtype).reshape(shape, order=order)


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
        self._queue = _Queue()
        self.handle = next(_handles) * 16
        _streams[self.handle] = self
        weakref.finalize(self, self._queue.close)

    def __int__(self) -> int:
        return self.handle

    __index__ = __int__

    def synchronize(self) -> None:
        self._queue.wait()

    def is_done(self) -> bool:
        with self._queue.changed:
            return self._queue.idle()

    def wait_for_event(self, event: Event) -> None:
        recorded = event._done
        if recorded is not None:
            self._queue.put(recorded.wait)


def is_queued(stream: Any) -> bool:
    """Whether enqueue() hands a task to a thread."""
    return isinstance(stream, Stream) or (stream is not None and int(stream) in _streams)


def enqueue(stream: Any, task: Callable[[], object]) -> None:
    """Runs a task on a Stream or its handle; at once on the default stream (None, 0) and on streams of others."""
    found = stream if isinstance(stream, Stream) else _streams.get(int(stream)) if stream is not None else None
    if found is None:
        task()
    else:
        found._queue.put(task)


class event_flags:  # noqa: N801  (pycuda's name)
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING, INTERPROCESS = 0, 1, 2, 4


class Event:
    """A point in a stream, and when it was reached."""

    def __init__(self, flags: int = 0):
        self._done: threading.Event | None = None
        self._seconds = 0.0

    def record(self, stream: Any = None) -> Event:
        done = self._done = threading.Event()

        def reach() -> None:
            self._seconds = time.perf_counter()
            done.set()
        enqueue(stream, reach)
        return self

    def synchronize(self) -> Event:
        if self._done is not None:
            self._done.wait()
        return self

    def query(self) -> bool:
        return self._done is None or self._done.is_set()

    def time_since(self, event: Event) -> float:
        """Milliseconds."""
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
    to, of = (array_at(address, (size,), numpy.uint8, what) for address in (target, source))

    def move() -> None:
        to[...] = of
        keep.clear()  # held until now
    enqueue(stream, move)


def memcpy_htod(dest: Any, src: Any) -> None:
    memcpy_htod_async(dest, src, None)


def memcpy_htod_async(dest: Any, src: Any, stream: Any = None) -> None:
    address, size, owner = _host_memory(src, "memcpy_htod", writable=False)
    _copy("memcpy_htod", address_of(dest), address, size, stream, [owner, dest])


def memcpy_dtoh(dest: Any, src: Any) -> None:
    memcpy_dtoh_async(dest, src, None)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Any = None) -> None:
    address, size, owner = _host_memory(dest, "memcpy_dtoh", writable=True)
    _copy("memcpy_dtoh", address, address_of(src), size, stream, [owner, src])


def memcpy_dtod(dest: Any, src: Any, size: int) -> None:
    memcpy_dtod_async(dest, src, size, None)


def memcpy_dtod_async(dest: Any, src: Any, size: int, stream: Any = None) -> None:
    _copy("memcpy_dtod", address_of(dest), address_of(src), size, stream, [dest, src])


def _memset(dest: Any, value: int, count: int, dtype: Any, stream: Any = None) -> None:
    address = address_of(dest)
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


# --- devices and contexts: there is one, always current ---------------------------------------------------------------

class ctx_flags:  # noqa: N801  (pycuda's name)
    SCHED_AUTO, SCHED_SPIN, SCHED_YIELD, SCHED_BLOCKING_SYNC, MAP_HOST = 0, 1, 2, 4, 8


class Context:
    """The device's context."""

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

    @staticmethod
    def get_current() -> Context:
        return context

    @staticmethod
    def get_device() -> Device:
        return context._device


class Device:
    """The one device: the CPU."""

    def __init__(self, number: int = 0):
        if number != 0:
            raise LogicError(f"Device: there is no device {number}; there is 0, the CPU")

    @staticmethod
    def count() -> int:
        return 1

    @staticmethod
    def name() -> str:
        return "CPU"

    @staticmethod
    def total_memory() -> int:
        return mem_get_info()[1]

    @staticmethod
    def compute_capability() -> tuple[int, int]:
        return (0, 0)

    def make_context(self, flags: int = 0) -> Context:
        return context

    def retain_primary_context(self) -> Context:
        return context


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
