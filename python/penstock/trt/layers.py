# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Layers that compute: each knows the ONNX nodes that it becomes."""
from __future__ import annotations

import math
from typing import Any

import numpy

from penstock.errors import InvalidArgumentError
from penstock.trt.emitter import as_array
from penstock.trt.enums import (ActivationType, DataType, ElementWiseOperation, LayerType, MatrixOperation, PaddingMode,
                                PoolingType, ReduceOperation, ScaleMode, TopKOperation, UnaryOperation)
from penstock.trt.tensor import Extents, ILayer, Parameter
from penstock.trt.types import Dims
from penstock.trt.unsupported import error


def bits(mask: int) -> list[int]:
    """Axes of a bit mask."""
    return [axis for axis in range(Dims.MAX_DIMS) if int(mask) >> axis & 1]


def fitted(layer: ILayer, what: str, weights: Any, shape: list[int]) -> numpy.ndarray:
    """Weights in a shape, one of whose extents may be -1."""
    array = as_array(weights)
    known = math.prod(extent for extent in shape if extent >= 0)
    if array is None or array.size % max(known, 1) or (-1 not in shape and array.size != known):
        raise InvalidArgumentError(f"layer '{layer.name}': {what} has {0 if array is None else array.size} elements, which "
                                   f"do not fit the shape {shape}")
    return array.reshape(shape)


class _Window(ILayer):
    """Layers that slide a window: padding, stride and their older names of two dimensions."""

    pre_padding = Extents(None)
    post_padding = Extents(None)
    padding_mode = Parameter(PaddingMode.EXPLICIT_ROUND_DOWN)
    stride_nd = Extents(None)

    @property
    def padding_nd(self) -> Any:
        return self.pre_padding

    @padding_nd.setter
    def padding_nd(self, padding: Any) -> None:
        self.pre_padding = self.post_padding = padding

    padding = padding_nd

    @property
    def stride(self) -> Any:
        return self.stride_nd

    @stride.setter
    def stride(self, stride: Any) -> None:
        self.stride_nd = stride

    def _window(self, rank: int) -> dict[str, Any]:
        attributes: dict[str, Any] = {"strides": list(self.stride_nd or [1] * rank)}
        if self.padding_mode in (PaddingMode.SAME_UPPER, PaddingMode.SAME_LOWER):
            attributes["auto_pad"] = self.padding_mode.name
        else:
            attributes["pads"] = [*(self.pre_padding or [0] * rank), *(self.post_padding or [0] * rank)]
        return attributes


class IConvolutionLayer(_Window):
    _layer_type = LayerType.CONVOLUTION
    _operator = "Conv"
    num_output_maps = Parameter(1)
    kernel_size_nd = Extents(None)
    dilation_nd = Extents(None)
    num_groups = Parameter(1)
    kernel = Parameter(None)
    bias = Parameter(None)

    @property
    def kernel_size(self) -> Any:
        return self.kernel_size_nd

    @kernel_size.setter
    def kernel_size(self, size: Any) -> None:
        self.kernel_size_nd = size

    @property
    def dilation(self) -> Any:
        return self.dilation_nd

    @dilation.setter
    def dilation(self, dilation: Any) -> None:
        self.dilation_nd = dilation

    def _kernel_shape(self) -> list[int]:
        return [self.num_output_maps, -1, *self.kernel_size_nd]

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        if len(inputs) < 2 or not inputs[1]:
            inputs = [inputs[0], emit.constant(fitted(self, "the kernel", self.kernel, self._kernel_shape()), hint="kernel"),
                      *inputs[2:]]
        if len(inputs) < 3 and as_array(self.bias) is not None:
            inputs = [*inputs, emit.constant(fitted(self, "the bias", self.bias, [self.num_output_maps]), hint="bias")]
        rank = len(self.kernel_size_nd)
        emit.node(self._operator, inputs, outputs[0], kernel_shape=list(self.kernel_size_nd), group=self.num_groups,
                  dilations=list(self.dilation_nd or [1] * rank), **self._window(rank))


class IDeconvolutionLayer(IConvolutionLayer):
    _layer_type = LayerType.DECONVOLUTION
    _operator = "ConvTranspose"

    def _kernel_shape(self) -> list[int]:
        return [-1, self.num_output_maps // self.num_groups, *self.kernel_size_nd]


class IFullyConnectedLayer(ILayer):
    """The last three extents times a matrix: [..., C, H, W] becomes [..., K, 1, 1]. Gone since TensorRT 10."""

    _layer_type = LayerType.FULLY_CONNECTED
    num_output_channels = Parameter(1)
    kernel = Parameter(None)
    bias = Parameter(None)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        channels = self.num_output_channels
        kernel = fitted(self, "the kernel", self.kernel, [channels, -1])
        flat = emit.node("Reshape", [inputs[0], emit.ints([0] * (emit.rank(inputs[0]) - 3) + [kernel.shape[1]])])
        product = emit.node("MatMul", [flat, emit.constant(kernel.T, hint="kernel")])
        if as_array(self.bias) is not None:
            product = emit.node("Add", [product, emit.constant(fitted(self, "the bias", self.bias, [channels]), hint="bias")])
        emit.node("Unsqueeze", [product, emit.ints([-1, -2])], outputs[0])


class IActivationLayer(ILayer):
    _layer_type = LayerType.ACTIVATION
    type = Parameter(ActivationType.RELU)
    alpha = Parameter(0.0)
    beta = Parameter(0.0)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        kinds = ActivationType
        (x,), y, a, b = inputs[:1], outputs[0], float(self.alpha), float(self.beta)
        plain = {kinds.RELU: "Relu", kinds.SIGMOID: "Sigmoid", kinds.TANH: "Tanh", kinds.SOFTSIGN: "Softsign"}
        with_alpha = {kinds.LEAKY_RELU: "LeakyRelu", kinds.ELU: "Elu", kinds.THRESHOLDED_RELU: "ThresholdedRelu"}
        scalar = lambda value: emit.constant(value, numpy.float32)  # noqa: E731
        if self.type in plain:
            emit.node(plain[self.type], [x], y)
        elif self.type in with_alpha:
            emit.node(with_alpha[self.type], [x], y, alpha=a)
        elif self.type == kinds.SELU:
            emit.node("Selu", [x], y, alpha=a, gamma=b)
        elif self.type == kinds.HARD_SIGMOID:
            emit.node("HardSigmoid", [x], y, alpha=a, beta=b)
        elif self.type == kinds.CLIP:
            emit.node("Clip", [x, scalar(a), scalar(b)], y)
        elif self.type in (kinds.SOFTPLUS, kinds.SCALED_TANH):
            inner = emit.node("Softplus" if self.type == kinds.SOFTPLUS else "Tanh", [emit.node("Mul", [x, scalar(b)])])
            emit.node("Mul", [inner, scalar(a)], y)
        elif self.type in (kinds.GELU_ERF, kinds.GELU_TANH):
            self._emit_gelu(emit, x, y, scalar)
        else:
            raise InvalidArgumentError(f"layer '{self.name}': {self.type} is no tensorrt.ActivationType")

    def _emit_gelu(self, emit: Any, x: str, y: str, scalar: Any) -> None:
        if self.type == ActivationType.GELU_ERF:
            inner = emit.node("Erf", [emit.node("Div", [x, scalar(math.sqrt(2))])])
        else:
            cube = emit.node("Mul", [emit.node("Mul", [emit.node("Mul", [x, x]), x]), scalar(0.044715)])
            inner = emit.node("Tanh", [emit.node("Mul", [emit.node("Add", [x, cube]), scalar(math.sqrt(2 / math.pi))])])
        emit.node("Mul", [emit.node("Mul", [x, emit.node("Add", [inner, scalar(1)])]), scalar(0.5)], y)


class IPoolingLayer(_Window):
    _layer_type = LayerType.POOLING
    type = Parameter(PoolingType.MAX)
    window_size_nd = Extents(None)
    blend_factor = Parameter(0.0)
    average_count_excludes_padding = Parameter(True)

    @property
    def window_size(self) -> Any:
        return self.window_size_nd

    @window_size.setter
    def window_size(self, size: Any) -> None:
        self.window_size_nd = size

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        window = list(self.window_size_nd)
        attributes = {"kernel_shape": window, "ceil_mode": int(self.padding_mode == PaddingMode.EXPLICIT_ROUND_UP),
                      **self._window(len(window))}
        average = {**attributes, "count_include_pad": int(not self.average_count_excludes_padding)}
        if self.type == PoolingType.MAX:
            emit.node("MaxPool", inputs, outputs[0], **attributes)
        elif self.type == PoolingType.AVERAGE:
            emit.node("AveragePool", inputs, outputs[0], **average)
        else:
            blend = float(self.blend_factor)
            most = emit.node("Mul", [emit.node("MaxPool", inputs, **attributes), emit.constant(1 - blend, numpy.float32)])
            mean = emit.node("Mul", [emit.node("AveragePool", inputs, **average), emit.constant(blend, numpy.float32)])
            emit.node("Add", [most, mean], outputs[0])


class ILRNLayer(ILayer):
    _layer_type = LayerType.LRN
    window_size = Parameter(1)
    alpha = Parameter(0.0)
    beta = Parameter(0.0)
    k = Parameter(0.0)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node("LRN", inputs, outputs[0], size=int(self.window_size), alpha=float(self.alpha), beta=float(self.beta),
                  bias=float(self.k))


class IScaleLayer(ILayer):
    """(x * scale + shift) ^ power"""

    _layer_type = LayerType.SCALE
    mode = Parameter(ScaleMode.UNIFORM)
    shift = Parameter(None)
    scale = Parameter(None)
    power = Parameter(None)
    channel_axis = Parameter(1)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        value = inputs[0]
        if self.mode == ScaleMode.UNIFORM:
            shape = []
        elif self.mode == ScaleMode.CHANNEL:
            shape = [-1] + [1] * (emit.rank(value) - 1 - self.channel_axis)
        else:
            shape = emit.shape(value)[1:]
        for operator, weights in (("Mul", self.scale), ("Add", self.shift), ("Pow", self.power)):
            if as_array(weights) is not None:
                value = emit.node(operator, [value, emit.constant(fitted(self, operator.lower(), weights, shape))])
        emit.node("Identity", [value], outputs[0])


class ISoftMaxLayer(ILayer):
    _layer_type = LayerType.SOFTMAX
    axes = Parameter(None)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        axes = [max(0, emit.rank(inputs[0]) - 3)] if self.axes is None else bits(self.axes)
        if len(axes) != 1:
            raise InvalidArgumentError(f"layer '{self.name}': softmax runs along one axis, axes has {len(axes)}")
        emit.node("Softmax", inputs, outputs[0], axis=axes[0])


class IConcatenationLayer(ILayer):
    _layer_type = LayerType.CONCATENATION
    axis = Parameter(None)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        axis = max(0, emit.rank(inputs[0]) - 3) if self.axis is None else self.axis
        emit.node("Concat", inputs, outputs[0], axis=axis)


class IElementWiseLayer(ILayer):
    _layer_type = LayerType.ELEMENTWISE
    op = Parameter(ElementWiseOperation.SUM)
    _OPERATORS = {"SUM": "Add", "PROD": "Mul", "MAX": "Max", "MIN": "Min", "SUB": "Sub", "DIV": "Div", "POW": "Pow",
                  "AND": "And", "OR": "Or", "XOR": "Xor", "EQUAL": "Equal", "GREATER": "Greater", "LESS": "Less"}

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        if self.op != ElementWiseOperation.FLOOR_DIV:
            emit.node(self._OPERATORS[self.op.name], inputs, outputs[0])
        elif emit.is_integer(inputs[0]):
            # ONNX divides integers towards zero; less the remainder, which has the divisor's sign, the division is exact.
            emit.node("Div", [emit.node("Sub", [inputs[0], emit.node("Mod", inputs)]), inputs[1]], outputs[0])
        else:
            emit.node("Floor", [emit.node("Div", inputs)], outputs[0])


class IUnaryLayer(ILayer):
    _layer_type = LayerType.UNARY
    op = Parameter(UnaryOperation.EXP)
    _OPERATORS = {"RECIP": "Reciprocal", "ISINF": "IsInf", "ISNAN": "IsNaN"}

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node(self._OPERATORS.get(self.op.name, self.op.name.capitalize()), inputs, outputs[0])


class IReduceLayer(ILayer):
    _layer_type = LayerType.REDUCE
    op = Parameter(ReduceOperation.SUM)
    axes = Parameter(0)
    keep_dims = Parameter(False)
    _OPERATORS = {"SUM": "ReduceSum", "PROD": "ReduceProd", "MAX": "ReduceMax", "MIN": "ReduceMin", "AVG": "ReduceMean"}

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        if self.op.name not in self._OPERATORS:
            raise InvalidArgumentError(f"layer '{self.name}': {self.op} reduces nothing")
        emit.reduce(self._OPERATORS[self.op.name], inputs[0], bits(self.axes), self.keep_dims, outputs[0])


class ITopKLayer(ILayer):
    _layer_type = LayerType.TOPK
    op = Parameter(TopKOperation.MAX)
    k = Parameter(1)
    axes = Parameter(1)
    indices_type = Parameter(DataType.INT32)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        axes = bits(self.axes)
        if len(axes) != 1:
            raise InvalidArgumentError(f"layer '{self.name}': one axis is sorted, axes has {len(axes)}")
        if len(inputs) > 1:
            count = emit.node("Reshape", [emit.cast(inputs[1], DataType.INT64), emit.ints([1])])
        else:
            count = emit.ints([self.k])
        indices = emit.fresh("indices")
        emit.multiple("TopK", [inputs[0], count], [outputs[0], indices], axis=axes[0],
                      largest=int(self.op == TopKOperation.MAX))
        emit.cast(indices, self.indices_type, outputs[1])


class IMatrixMultiplyLayer(ILayer):
    _layer_type = LayerType.MATRIX_MULTIPLY
    op0 = Parameter(MatrixOperation.NONE)
    op1 = Parameter(MatrixOperation.NONE)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        operands, squeezed = [], []
        for value, op, axis in ((inputs[0], self.op0, -2), (inputs[1], self.op1, -1)):
            if op == MatrixOperation.TRANSPOSE:
                order = list(range(emit.rank(value)))
                value = emit.node("Transpose", [value], perm=order[:-2] + [order[-1], order[-2]])
            elif op == MatrixOperation.VECTOR:
                value = emit.node("Unsqueeze", [value, emit.ints([axis])])
                squeezed.append(axis)
            operands.append(value)
        if not squeezed:
            emit.node("MatMul", operands, outputs[0])
        else:
            emit.node("Squeeze", [emit.node("MatMul", operands), emit.ints(squeezed)], outputs[0])


class IParametricReLULayer(ILayer):
    _layer_type = LayerType.PARAMETRIC_RELU

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node("PRelu", inputs, outputs[0])


class IEinsumLayer(ILayer):
    _layer_type = LayerType.EINSUM
    equation = Parameter("")

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node("Einsum", inputs, outputs[0], equation=self.equation)


class ICumulativeLayer(ILayer):
    _layer_type = LayerType.CUMULATIVE
    op = Parameter(None)
    exclusive = Parameter(False)
    reverse = Parameter(False)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node("CumSum", inputs, outputs[0], exclusive=int(self.exclusive), reverse=int(self.reverse))


class INormalizationLayer(ILayer):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias"""

    _layer_type = LayerType.NORMALIZATION
    axes = Parameter(0)
    epsilon = Parameter(1e-5)
    num_groups = Parameter(1)
    compute_precision = Parameter(DataType.FLOAT)
    is_v2 = property(lambda self: False)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        value, axes = inputs[0], bits(self.axes)
        grouped = self.num_groups != 1
        if grouped:
            rank = emit.rank(value)
            shape = emit.node("Shape", [value])
            value = emit.node("Reshape", [value, emit.ints([0, self.num_groups, -1])])
            axes = [2]
            if bits(self.axes) != list(range(2, rank)):
                raise InvalidArgumentError(f"layer '{self.name}': with groups, axes are those after the channels")
        mean = emit.reduce("ReduceMean", value, axes, True)
        centred = emit.node("Sub", [value, mean])
        variance = emit.reduce("ReduceMean", emit.node("Mul", [centred, centred]), axes, True)
        deviation = emit.node("Sqrt", [emit.node("Add", [variance, emit.constant(self.epsilon, numpy.float32)])])
        value = emit.node("Div", [centred, deviation])
        if grouped:
            value = emit.node("Reshape", [value, shape])
        emit.node("Add", [emit.node("Mul", [value, inputs[1]]), inputs[2]], outputs[0])


class IQuantizeLayer(ILayer):
    """round(x / scale), clamped to INT8: an explicit step, exact as such."""

    _layer_type = LayerType.QUANTIZE
    _operator = "QuantizeLinear"
    axis = Parameter(None)
    to_type = Parameter(DataType.INT8)

    def _check_type(self) -> None:
        if self.to_type != DataType.INT8:
            raise error(f"{type(self).__name__}.to_type", f"only INT8, got {self.to_type.name}")

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        self._check_type()
        value, scale = inputs[:2]
        shape = emit.shape(scale)
        if math.prod(shape) == 1:
            scale, shape = emit.node("Reshape", [scale, emit.ints([])]), []
        elif self.axis is None:
            raise InvalidArgumentError(f"layer '{self.name}': the scale has the shape {shape}; set the axis it goes along")
        zero = emit.constant(numpy.zeros(shape, numpy.int8))
        emit.node(self._operator, [value, scale, zero], outputs[0], axis=self.axis if shape else None)


class IDequantizeLayer(IQuantizeLayer):
    """x * scale, from INT8."""

    _layer_type = LayerType.DEQUANTIZE
    _operator = "DequantizeLinear"
    to_type = Parameter(DataType.FLOAT)

    def _check_type(self) -> None:
        if self.to_type != DataType.FLOAT:
            raise error(f"{type(self).__name__}.to_type", f"only FLOAT, got {self.to_type.name}; use add_cast")
