# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Dims, Weights, IHostMemory, and the types of elements."""
from __future__ import annotations

import collections.abc
from typing import Any, Iterable

import numpy

from penstock import _dtypes
from penstock.trt.enums import DataType
from penstock.trt.unsupported import Checked

# Penstock's names, which are ONNX's.
_NAMES = {
    DataType.FLOAT: "float32", DataType.HALF: "float16", DataType.BF16: "bfloat16", DataType.INT8: "int8",
    DataType.INT32: "int32", DataType.INT64: "int64", DataType.BOOL: "bool", DataType.UINT8: "uint8",
    DataType.FP8: "float8e4m3fn", DataType.INT4: "int4", DataType.FP4: "float4e2m1", DataType.E8M0: "float8e8m0",
    DataType.DOUBLE: "float64", DataType.INT16: "int16", DataType.UINT16: "uint16", DataType.UINT32: "uint32",
    DataType.UINT64: "uint64",
}
# onnx.TensorProto.DataType
_ONNX = {
    DataType.FLOAT: 1, DataType.UINT8: 2, DataType.INT8: 3, DataType.UINT16: 4, DataType.INT16: 5, DataType.INT32: 6,
    DataType.INT64: 7, DataType.BOOL: 9, DataType.HALF: 10, DataType.DOUBLE: 11, DataType.UINT32: 12,
    DataType.UINT64: 13, DataType.BF16: 16, DataType.FP8: 17, DataType.INT4: 22, DataType.FP4: 23, DataType.E8M0: 24,
}
_FROM_ONNX = {number: dtype for dtype, number in _ONNX.items()}
_FROM_NUMPY = {numpy.dtype(name): dtype for dtype, name in _NAMES.items()
               if name in ("float32", "float16", "int8", "int32", "int64", "bool", "uint8", "float64", "int16", "uint16",
                           "uint32", "uint64")}
_WITHOUT_NUMPY = (DataType.BF16, DataType.FP8, DataType.INT4, DataType.FP4, DataType.E8M0)
_HALF_BYTES = (DataType.INT4, DataType.FP4)


def onnx_type(dtype: DataType) -> int:
    return _ONNX[dtype]


def from_onnx(number: int, what: str) -> DataType:
    """The type of an onnx.TensorProto.DataType; `what` names the tensor."""
    if number not in _FROM_ONNX:
        raise TypeError(f"{what}: its element type, number {number} of ONNX, has no tensorrt.DataType; use penstock.Engine")
    return _FROM_ONNX[number]


def from_numpy(dtype: Any) -> DataType:
    if numpy.dtype(dtype) not in _FROM_NUMPY:
        raise TypeError(f"no tensorrt.DataType stands for the NumPy type {dtype}")
    return _FROM_NUMPY[numpy.dtype(dtype)]


def memory_dtype(dtype: DataType) -> numpy.dtype:
    """The NumPy type of the elements in memory, that of ml_dtypes or the bits where NumPy has none."""
    return _dtypes.numpy_dtype(_NAMES[dtype])


def nptype(trt_type: DataType) -> Any:
    """The NumPy type of a DataType; TypeError where NumPy has none."""
    if trt_type in _WITHOUT_NUMPY or trt_type not in _NAMES:
        raise TypeError(f"{trt_type} has no NumPy type; the package ml_dtypes has them")
    return numpy.dtype(_NAMES[trt_type]).type


def _item_size(self: DataType) -> float:
    return 0.5 if self in _HALF_BYTES else memory_dtype(self).itemsize


DataType.itemsize = property(_item_size)


def volume(iterable: Iterable[int]) -> int:
    """The product of the extents; 1 for a scalar."""
    product = 1
    for extent in iterable:
        product *= extent
    return product


class Dims(collections.abc.Sequence):
    """A shape: equal to tuples and lists of its extents, which can be set."""

    MAX_DIMS = 8
    _length: int | None = None

    def __init__(self, *shape: Any):
        extents = shape[0] if len(shape) == 1 and isinstance(shape[0], collections.abc.Iterable) else shape
        self._extents = [int(extent) for extent in extents]
        if self._length is not None and len(self._extents) != self._length:
            raise ValueError(f"{type(self).__name__}: expected {self._length} extents, got {len(self._extents)}")
        if len(self._extents) > self.MAX_DIMS:
            raise ValueError(f"Dims: at most {self.MAX_DIMS} extents, got {len(self._extents)}")

    def __len__(self) -> int:
        return len(self._extents)

    def __getitem__(self, index: Any) -> Any:
        found = self._extents[index]
        return Dims(found) if isinstance(index, slice) else found

    def __setitem__(self, index: Any, value: Any) -> None:
        self._extents[index] = value if isinstance(index, slice) else int(value)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, (tuple, list, Dims)) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __add__(self, other: Any) -> Any:
        return type(other)(self) + other if isinstance(other, (tuple, list)) else tuple(self) + tuple(other)

    def __radd__(self, other: Any) -> Any:
        return other + type(other)(self)

    def __repr__(self) -> str:
        return str(tuple(self))

    __str__ = __repr__

    @property
    def nbDims(self) -> int:
        return len(self)

    @property
    def d(self) -> tuple[int, ...]:
        return tuple(self)


class Dims2(Dims):
    _length = 2


class DimsHW(Dims2):
    @property
    def h(self) -> int:
        return self[0]

    @h.setter
    def h(self, value: int) -> None:
        self[0] = value

    @property
    def w(self) -> int:
        return self[1]

    @w.setter
    def w(self, value: int) -> None:
        self[1] = value


class Dims3(Dims):
    _length = 3


class Dims4(Dims):
    _length = 4


class Permutation(Dims):
    """An order of dimensions."""


class Weights:
    """Weights of a layer: an array, or a type for none."""

    def __init__(self, values: Any = None, pointer: int | None = None, count: int = 0):
        if isinstance(values, DataType) and pointer:
            # Memory that the caller keeps alive, as TensorRT wants it.
            from penstock.cuda import array_at
            values = array_at(pointer, (count,), memory_dtype(values))
        self._dtype = values if isinstance(values, DataType) else None
        self._array = numpy.empty(0, numpy.float32) if values is None or self._dtype else numpy.ascontiguousarray(values)

    @property
    def dtype(self) -> DataType:
        return self._dtype or from_numpy(self._array.dtype)

    @property
    def size(self) -> int:
        return self._array.size

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def numpy(self) -> numpy.ndarray:
        return self._array

    def __len__(self) -> int:
        return self._array.size


class IHostMemory(Checked, bytes):
    """A plan's bytes."""

    _plan: Any = None

    @property
    def nbytes(self) -> int:
        return len(self)

    @property
    def dtype(self) -> DataType:
        return DataType.INT8


def host_memory(plan: Any) -> IHostMemory:
    """Of a penstock.Plan, which an engine made from it shares."""
    memory = IHostMemory(bytes(plan))
    memory._plan = plan
    return memory
