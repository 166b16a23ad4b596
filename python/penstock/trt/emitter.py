# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The ONNX graph that a network becomes, node by node."""
from __future__ import annotations

from typing import Any

import numpy

from penstock.errors import InvalidModelError
from penstock.trt.types import onnx_type
from penstock.trt.unsupported import error

NEWEST_OPSET = 21
_LARGE = 1024  # elements; what is larger holds no shapes, so inference sees it as an input


def require_onnx() -> Any:
    try:
        import onnx
        import onnx.shape_inference
        import onnx.version_converter
    except ImportError:
        raise error("INetworkDefinition", "networks that are made or edited by hand need the package onnx: "
                                          "pip install onnx") from None
    return onnx


def as_array(weights: Any) -> numpy.ndarray | None:
    """The array of Weights or of what NumPy takes; None for none."""
    array = weights.numpy() if hasattr(weights, "nbytes") and hasattr(weights, "numpy") else weights
    array = None if array is None else numpy.ascontiguousarray(array)
    if array is not None and array.dtype.kind not in "biuf" and array.dtype.kind != "V":  # V: ml_dtypes
        raise TypeError(f"weights: expected an array of numbers, got {type(weights).__name__}")
    return None if array is None or array.size == 0 else array


class Emitter:
    """Collects nodes and initializers; values are strings."""

    def __init__(self, opset: int, names: set[str]):
        self.onnx = require_onnx()
        self.opset = opset
        self.inputs: list[Any] = []
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._names = names  # of values
        self._node_names: set[str] = set()
        self._inferred: tuple[int, dict[str, Any]] = (-1, {})
        self.layer = ""

    def fresh(self, hint: str = "value") -> str:
        base = f"{self.layer}/{hint}"
        name, number = base, 1
        while name in self._names:
            name, number = f"{base}_{number}", number + 1
        self._names.add(name)
        return name

    def constant(self, value: Any, dtype: Any = None, hint: str = "constant") -> str:
        array = numpy.asarray(value) if dtype is None else numpy.asarray(value, dtype)
        name = self.fresh(hint)
        self.initializers.append(self.onnx.numpy_helper.from_array(numpy.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def ints(self, values: Any) -> str:
        return self.constant(list(values), numpy.int64, "shape")

    def node(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        return self.multiple(operator, inputs, [output or self.fresh(operator.lower())], **attributes)[0]

    def multiple(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> list[str]:
        known = {name: value for name, value in attributes.items() if value is not None}
        # The layer's name on the node that ends it: profiles and inspectors show it. Others have their output's.
        ends = not outputs[0].startswith(f"{self.layer}/") and self.layer not in self._node_names
        name = self.layer if ends else outputs[0]
        self._node_names.add(name)
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, outputs, name=name, **known))
        return outputs

    def reduce(self, operator: str, value: str, axes: list[int], keep: bool, output: str | None = None) -> str:
        if self.opset >= 18 or operator == "ReduceSum":
            return self.node(operator, [value, self.ints(axes)], output, keepdims=int(keep))
        return self.node(operator, [value], output, axes=axes, keepdims=int(keep))

    def cast(self, value: str, dtype: Any, output: str | None = None) -> str:
        return self.node("Cast", [value], output, to=onnx_type(dtype))

    # --- what is known of a value --------------------------------------------------------------------------------
    def graph(self, outputs: list[Any], light: bool = False) -> Any:
        """A model of what was emitted. A light one has large initializers as inputs, which inference is quick with."""
        helper = self.onnx.helper
        inputs, initializers = list(self.inputs), []
        for tensor in self.initializers:
            if light and numpy.prod(tensor.dims, dtype=numpy.int64) > _LARGE:
                inputs.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
            else:
                initializers.append(tensor)
        return helper.make_model(helper.make_graph(self.nodes, "network", inputs, outputs, initializers),
                                 opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)

    def infer(self) -> dict[str, Any]:
        """{value: onnx.TypeProto}."""
        if self._inferred[0] == len(self.nodes):
            return self._inferred[1]
        model = self.graph([], light=True)
        try:
            model = self.onnx.shape_inference.infer_shapes(model, data_prop=True)
        except (self.onnx.shape_inference.InferenceError, RuntimeError) as problem:
            raise InvalidModelError(f"layer '{self.layer}': {problem}") from None
        known = {value.name: value.type for value in (*model.graph.input, *model.graph.value_info)}
        for tensor in self.initializers:
            known[tensor.name] = self.onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        self._inferred = (len(self.nodes), known)
        return known

    def shape(self, value: str) -> list[int]:
        """-1 where an extent varies."""
        kind = self.infer().get(value)
        if kind is None or not kind.tensor_type.HasField("shape"):
            raise InvalidModelError(f"layer '{self.layer}': the rank of its input is not known")
        return extents(kind)

    def rank(self, value: str) -> int:
        return len(self.shape(value))

    def is_integer(self, value: str) -> bool:
        kind = self.infer().get(value)
        numbers = self.onnx.TensorProto
        return kind is not None and kind.tensor_type.elem_type in (numbers.INT32, numbers.INT64, numbers.INT8, numbers.UINT8)


def extents(kind: Any) -> list[int]:
    return [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.tensor_type.shape.dim]
