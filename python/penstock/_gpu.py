# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What penstock.cuda does on a GPU: copies, fills and streams of others, over penstock.Device."""
from __future__ import annotations

import ctypes
import re
from typing import Any, Callable

import numpy

import penstock

_wrapped: dict[tuple[str, int], penstock.Stream] = {}  # by device and handle


def translated(error: type[Exception], function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result; Penstock's errors come as `error`, of penstock.cuda's."""
    try:
        return function(*arguments)
    except penstock.Error as problem:
        raise error(str(problem)) from None


def queue_of(device: penstock.Device, stream: Any) -> penstock.Stream:
    """A penstock.cuda.Stream's, or of a stream of others: its handle, or an object that has one."""
    native = stream if isinstance(stream, penstock.Stream) else getattr(stream, "_native", None)
    if native is not None:
        return native
    handle = 0 if stream is None else int(getattr(stream, "cuda_stream", stream))
    key = device.name, handle
    if key not in _wrapped:
        _wrapped[key] = device.wrap_stream(handle)
    return _wrapped[key]


def copy(device: penstock.Device, target: int, source: int, size: int, stream: Any) -> None:
    """Between memory of the host and of the device, whichever the addresses are; without a stream, done at return."""
    queue = queue_of(device, stream)
    to_device, from_device = device.can_reach(target), device.can_reach(source)
    if to_device and from_device:
        device.copy_within(target, source, size, queue)
    elif to_device:
        device.copy_in(target, source, size, queue)
    elif from_device:
        device.copy_out(target, source, size, queue)
    else:
        queue.synchronize()
        ctypes.memmove(target, source, size)
    if stream is None:
        queue.synchronize()


def fill(device: penstock.Device, address: int, value: Any, count: int, stream: Any) -> None:
    """Sets `count` elements of the value's type."""
    pattern = numpy.asarray(value).tobytes()
    if len(set(pattern)) == 1:
        queue = queue_of(device, stream)
        device.fill(address, pattern[0], count * len(pattern), queue)
        if stream is None:
            queue.synchronize()
    else:
        values = numpy.full(count, value)
        copy(device, address, values.ctypes.data, values.nbytes, stream)


class _PageLocked:
    """Memory that NumPy looks at where it is, and keeps alive."""

    def __init__(self, memory: penstock.Buffer):
        self._memory = memory
        self.__array_interface__ = {"data": (memory.address, False), "shape": (memory.nbytes,), "typestr": "|u1", "version": 3}


def page_locked(device: penstock.Device, size: int) -> numpy.ndarray:
    return numpy.asarray(_PageLocked(device.allocate_host(size)))


def compute_capability(device: penstock.Device) -> tuple[int, int]:
    found = re.fullmatch(r"sm_(\d+)(\d)", device.instruction_set)
    return (int(found[1]), int(found[2])) if found else (0, 0)
