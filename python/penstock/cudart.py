# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The calls of cuda-python's runtime that scripts for TensorRT 10 use, over penstock.cuda.

    from penstock import cudart       # for: from cuda import cudart, from cuda.bindings import runtime as cudart

Each gives a tuple: an error, then its results.
"""
from __future__ import annotations

import builtins
import enum
import functools
from typing import Any, Callable

import numpy

from penstock import cuda


class cudaError_t(enum.IntEnum):  # noqa: N801  (CUDA's names, here and below)
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorLaunchFailure = 719


class cudaMemcpyKind(enum.IntEnum):  # noqa: N801
    cudaMemcpyHostToHost = 0
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3
    cudaMemcpyDefault = 4


cudaStreamDefault, cudaStreamNonBlocking, cudaHostAllocDefault = 0, 1, 0
cudaStream_t = cuda.Stream
cudaEvent_t = cuda.Event

_allocations: dict[int, Any] = {}  # by address
_streams: dict[int, cuda.Stream] = {}


def _call(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """The function's result behind cudaSuccess; its error alone where it raises."""
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> tuple[Any, ...]:
        try:
            results = function(*arguments, **named)
        except (cuda.MemoryError, builtins.MemoryError):
            return (cudaError_t.cudaErrorMemoryAllocation,)
        except (cuda.Error, KeyError, OverflowError):
            return (cudaError_t.cudaErrorInvalidValue,)
        return (cudaError_t.cudaSuccess, *(results if isinstance(results, tuple) else () if results is None else (results,)))
    return call


@_call
def cudaMalloc(size: int) -> int:  # noqa: N802
    allocation = cuda.mem_alloc(size)
    _allocations[int(allocation)] = allocation
    return int(allocation)


@_call
def cudaFree(pointer: int) -> None:  # noqa: N802
    if pointer:
        memory = _allocations.pop(int(pointer))
        if isinstance(memory, cuda.DeviceAllocation):
            memory.free()


def cudaMallocAsync(size: int, stream: Any) -> tuple[Any, ...]:  # noqa: N802
    return cudaMalloc(size)


@_call
def cudaFreeAsync(pointer: int, stream: Any) -> None:  # noqa: N802
    allocation = _allocations.pop(int(pointer))
    cuda.enqueue(stream, allocation.free)


@_call
def cudaMallocHost(size: int) -> int:  # noqa: N802
    memory = cuda.pagelocked_empty(size, numpy.uint8) if cuda.gpu() is not None else cuda.mem_alloc(size)
    address = cuda.address_of(memory)
    _allocations[address] = memory
    return address


def cudaHostAlloc(size: int, flags: int = 0) -> tuple[Any, ...]:  # noqa: N802
    return cudaMallocHost(size)


def cudaMallocManaged(size: int, flags: int = 1) -> tuple[Any, ...]:  # noqa: N802
    """Page-locked memory of the host where there is a GPU, to which runs copy."""
    return cudaMallocHost(size)


cudaFreeHost = cudaFree


def _address(memory: Any) -> int:
    if isinstance(memory, (memoryview, bytes, bytearray)):
        return numpy.frombuffer(memory, numpy.uint8).ctypes.data
    return cuda.address_of(memory)


@_call
def cudaMemcpy(target: Any, source: Any, count: int, kind: Any) -> None:  # noqa: N802
    cuda.memcpy_dtod(_address(target), _address(source), count)


@_call
def cudaMemcpyAsync(target: Any, source: Any, count: int, kind: Any, stream: Any) -> None:  # noqa: N802
    cuda.memcpy_dtod_async(_address(target), _address(source), count, stream)


@_call
def cudaMemset(target: Any, value: int, count: int) -> None:  # noqa: N802
    cuda.memset_d8(_address(target), value, count)


@_call
def cudaMemsetAsync(target: Any, value: int, count: int, stream: Any) -> None:  # noqa: N802
    cuda.memset_d8_async(_address(target), value, count, stream)


@_call
def cudaMemGetInfo() -> tuple[int, int]:  # noqa: N802
    return cuda.mem_get_info()


@_call
def cudaStreamCreate() -> cuda.Stream:  # noqa: N802
    stream = cuda.Stream()
    _streams[stream.handle] = stream
    return stream


def cudaStreamCreateWithFlags(flags: int) -> tuple[Any, ...]:  # noqa: N802
    return cudaStreamCreate()


@_call
def cudaStreamDestroy(stream: Any) -> None:  # noqa: N802
    _streams.pop(int(stream))


def cudaStreamSynchronize(stream: Any) -> tuple[Any, ...]:  # noqa: N802
    try:
        if cuda.gpu() is not None:
            cuda.native_stream(stream).synchronize()
        elif int(stream):
            _streams[int(stream)].synchronize()
    except KeyError:
        return (cudaError_t.cudaErrorInvalidValue,)
    except Exception as error:
        return (_failed(error),)
    return (cudaError_t.cudaSuccess,)


def cudaDeviceSynchronize() -> tuple[Any, ...]:  # noqa: N802
    try:
        cuda.Context.synchronize()
    except Exception as error:
        return (_failed(error),)
    return (cudaError_t.cudaSuccess,)


def _failed(error: Exception) -> cudaError_t:
    global _last
    _last = str(error)
    return cudaError_t.cudaErrorLaunchFailure


_last = ""


@_call
def cudaEventCreate() -> cuda.Event:  # noqa: N802
    return cuda.Event()


def cudaEventCreateWithFlags(flags: int) -> tuple[Any, ...]:  # noqa: N802
    return cudaEventCreate()


@_call
def cudaEventRecord(event: cuda.Event, stream: Any) -> None:  # noqa: N802
    event.record(stream)


@_call
def cudaEventSynchronize(event: cuda.Event) -> None:  # noqa: N802
    event.synchronize()


@_call
def cudaEventElapsedTime(start: cuda.Event, end: cuda.Event) -> float:  # noqa: N802
    return end.time_since(start)


@_call
def cudaEventDestroy(event: cuda.Event) -> None:  # noqa: N802
    pass


@_call
def cudaGetDeviceCount() -> int:  # noqa: N802
    return cuda.Device.count()


@_call
def cudaGetDevice() -> int:  # noqa: N802
    return cuda.Context.get_device()._number


@_call
def cudaSetDevice(device: int) -> None:  # noqa: N802
    cuda.Device(device).make_context()


def cudaGetErrorName(error: Any) -> tuple[Any, bytes]:  # noqa: N802
    return cudaError_t.cudaSuccess, cudaError_t(error).name.encode()


def cudaGetErrorString(error: Any) -> tuple[Any, bytes]:  # noqa: N802
    """What went wrong on a stream, in the words of its error."""
    words = _last if error == cudaError_t.cudaErrorLaunchFailure and _last else cudaError_t(error).name
    return cudaError_t.cudaSuccess, words.encode()
