# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Layers that move, pick or make elements: each knows the ONNX nodes that it becomes."""
from __future__ import annotations

from typing import Any

import numpy

from penstock.errors import InvalidArgumentError
from penstock.trt.emitter import as_array
from penstock.trt.enums import (DataType, FillOperation, GatherMode, InterpolationMode, LayerType,
                                ResizeCoordinateTransformation, ResizeRoundMode, ResizeSelector, SampleMode, ScatterMode)
from penstock.trt.layers import fitted
from penstock.trt.tensor import Extents, ILayer, Parameter
from penstock.trt.types import memory_dtype, onnx_type
from penstock.trt.unsupported import error


class IConstantLayer(ILayer):
    _layer_type = LayerType.CONSTANT
    shape = Extents(())
    weights = Parameter(None)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        shape = list(self.shape)
        array = (numpy.empty(shape, getattr(as_array(self.weights), "dtype", numpy.float32)) if 0 in shape
                 else fitted(self, "the constant", self.weights, shape))
        emit.node("Identity", [emit.constant(array)], outputs[0])


class IIdentityLayer(ILayer):
    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        # TensorRT's way to convert: an identity whose output type is set.
        if 0 in self._output_types:
            emit.cast(inputs[0], self._output_types[0], outputs[0])
        else:
            emit.node("Identity", inputs, outputs[0])


class ICastLayer(ILayer):
    _layer_type = LayerType.CAST
    to_type = Parameter(DataType.FLOAT)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.cast(inputs[0], self.to_type, outputs[0])


class IPaddingLayer(ILayer):
    """Zeros before and after the last two dimensions; negative padding crops."""

    _layer_type = LayerType.PADDING
    pre_padding_nd = Extents((0, 0))
    post_padding_nd = Extents((0, 0))

    @property
    def pre_padding(self) -> Any:
        return self.pre_padding_nd

    @pre_padding.setter
    def pre_padding(self, padding: Any) -> None:
        self.pre_padding_nd = padding

    @property
    def post_padding(self) -> Any:
        return self.post_padding_nd

    @post_padding.setter
    def post_padding(self, padding: Any) -> None:
        self.post_padding_nd = padding

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        rest = [0] * (emit.rank(inputs[0]) - len(self.pre_padding_nd))
        emit.node("Pad", [inputs[0], emit.ints([*rest, *self.pre_padding_nd, *rest, *self.post_padding_nd])], outputs[0])


class IShuffleLayer(ILayer):
    """Transpose, reshape, transpose."""

    _layer_type = LayerType.SHUFFLE
    first_transpose = Extents(())
    second_transpose = Extents(())
    reshape_dims = Extents(None)
    zero_is_placeholder = Parameter(True)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        value = inputs[0]
        if self.first_transpose:
            value = emit.node("Transpose", [value], perm=list(self.first_transpose))
        if len(inputs) > 1 or self.reshape_dims is not None:
            shape = emit.cast(inputs[1], DataType.INT64) if len(inputs) > 1 else emit.ints(self.reshape_dims)
            value = emit.node("Reshape", [value, shape], allowzero=None if self.zero_is_placeholder else 1)
        if self.second_transpose:
            value = emit.node("Transpose", [value], perm=list(self.second_transpose))
        emit.node("Identity", [value], outputs[0])


class ISliceLayer(ILayer):
    _layer_type = LayerType.SLICE
    start = Extents(())
    shape = Extents(())
    stride = Extents(())
    axes = Parameter(None)
    _mode = SampleMode.STRICT_BOUNDS

    @property
    def mode(self) -> SampleMode:
        return self._mode

    @mode.setter
    def mode(self, mode: SampleMode) -> None:
        if mode != SampleMode.STRICT_BOUNDS:
            raise error("ISliceLayer.mode", f"only STRICT_BOUNDS; for {mode.name} pad first with add_padding_nd")

    def _static_ends(self) -> list[int]:
        # An end before element 0 would count from the back: a number below every extent does not.
        ends = (start + extent * stride for start, extent, stride in zip(self.start, self.shape, self.stride))
        return [end if end >= 0 else -2**62 for end in ends]

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        given = dict(enumerate(inputs))
        axes = list(self.axes or range(max(len(self.start), len(self.shape), len(self.stride))))
        if not any(given.get(index) for index in (1, 2, 3)):
            starts, ends, strides = emit.ints(self.start), emit.ints(self._static_ends()), emit.ints(self.stride)
        else:
            starts, extents, strides = (emit.cast(given[index], DataType.INT64) if given.get(index) else emit.ints(fixed)
                                        for index, fixed in ((1, self.start), (2, self.shape), (3, self.stride)))
            ends = emit.node("Add", [starts, emit.node("Mul", [extents, strides])])
        emit.node("Slice", [inputs[0], starts, ends, emit.ints(axes), strides], outputs[0])


class IShapeLayer(ILayer):
    _layer_type = LayerType.SHAPE

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node("Shape", inputs, outputs[0])


class IGatherLayer(ILayer):
    _layer_type = LayerType.GATHER
    axis = Parameter(0)
    num_elementwise_dims = Parameter(0)
    mode = Parameter(GatherMode.DEFAULT)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        if self.mode == GatherMode.ND:
            index = emit.cast(inputs[1], DataType.INT64)
            emit.node("GatherND", [inputs[0], index], outputs[0], batch_dims=self.num_elementwise_dims)
        elif self.num_elementwise_dims:
            raise error("IGatherLayer.num_elementwise_dims", "only with GatherMode.ND")
        else:
            emit.node("Gather" if self.mode == GatherMode.DEFAULT else "GatherElements", inputs, outputs[0], axis=self.axis)


class IScatterLayer(ILayer):
    _layer_type = LayerType.SCATTER
    axis = Parameter(0)
    mode = Parameter(ScatterMode.ELEMENT)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        if self.mode == ScatterMode.ELEMENT:
            emit.node("ScatterElements", inputs, outputs[0], axis=self.axis)
        else:
            emit.node("ScatterND", [inputs[0], emit.cast(inputs[1], DataType.INT64), inputs[2]], outputs[0])


class ISelectLayer(ILayer):
    _layer_type = LayerType.SELECT

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node("Where", inputs, outputs[0])


class IOneHotLayer(ILayer):
    _layer_type = LayerType.ONE_HOT
    axis = Parameter(-1)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        indices, values, depth = inputs
        emit.node("OneHot", [indices, depth, values], outputs[0], axis=self.axis)


class INonZeroLayer(ILayer):
    _layer_type = LayerType.NON_ZERO
    indices_type = Parameter(DataType.INT32)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.cast(emit.node("NonZero", inputs), self.indices_type, outputs[0])


class IReverseSequenceLayer(ILayer):
    _layer_type = LayerType.REVERSE_SEQUENCE
    batch_axis = Parameter(1)
    sequence_axis = Parameter(0)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node("ReverseSequence", [inputs[0], emit.cast(inputs[1], DataType.INT64)], outputs[0],
                  batch_axis=self.batch_axis, time_axis=self.sequence_axis)


class ISqueezeLayer(ILayer):
    _layer_type = LayerType.SQUEEZE
    _operator = "Squeeze"

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        emit.node(self._operator, [inputs[0], emit.cast(inputs[1], DataType.INT64)], outputs[0])


class IUnsqueezeLayer(ISqueezeLayer):
    _layer_type = LayerType.UNSQUEEZE
    _operator = "Unsqueeze"


class IResizeLayer(ILayer):
    _layer_type = LayerType.RESIZE
    shape = Extents(None)
    scales = Parameter(None)
    resize_mode = Parameter(InterpolationMode.NEAREST)
    coordinate_transformation = Parameter(ResizeCoordinateTransformation.ASYMMETRIC)
    selector_for_single_pixel = Parameter(ResizeSelector.FORMULA)
    nearest_rounding = Parameter(ResizeRoundMode.FLOOR)
    exclude_outside = Parameter(False)
    cubic_coeff = Parameter(-0.75)
    _ROUNDING = {ResizeRoundMode.HALF_UP: "round_prefer_ceil", ResizeRoundMode.HALF_DOWN: "round_prefer_floor",
                 ResizeRoundMode.FLOOR: "floor", ResizeRoundMode.CEIL: "ceil"}

    @property
    def align_corners(self) -> bool:
        return self.coordinate_transformation == ResizeCoordinateTransformation.ALIGN_CORNERS

    @align_corners.setter
    def align_corners(self, align: bool) -> None:
        kinds = ResizeCoordinateTransformation
        self.coordinate_transformation = kinds.ALIGN_CORNERS if align else kinds.ASYMMETRIC

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        mode = self.coordinate_transformation.name.lower()
        if self.selector_for_single_pixel == ResizeSelector.UPPER:
            raise error("IResizeLayer.selector_for_single_pixel", "only ResizeSelector.FORMULA")
        if len(inputs) > 1:
            sizes = [inputs[0], "", "", emit.cast(inputs[1], DataType.INT64)]
        elif self.shape is not None:
            sizes = [inputs[0], "", "", emit.ints(self.shape)]
        elif self.scales is not None:
            sizes = [inputs[0], "", emit.constant(list(self.scales), numpy.float32)]
        else:
            raise InvalidArgumentError(f"layer '{self.name}': set its shape or its scales")
        emit.node("Resize", sizes, outputs[0], mode=self.resize_mode.name.lower(), coordinate_transformation_mode=mode,
                  nearest_mode=self._ROUNDING[self.nearest_rounding], exclude_outside=int(self.exclude_outside),
                  cubic_coeff_a=float(self.cubic_coeff))


class IGridSampleLayer(ILayer):
    _layer_type = LayerType.GRID_SAMPLE
    interpolation_mode = Parameter(InterpolationMode.LINEAR)
    align_corners = Parameter(False)
    sample_mode = Parameter(SampleMode.FILL)
    _PADDING = {SampleMode.FILL: "zeros", SampleMode.CLAMP: "border", SampleMode.REFLECT: "reflection"}

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        if self.sample_mode not in self._PADDING:
            raise error("IGridSampleLayer.sample_mode", "only FILL, CLAMP and REFLECT")
        names = {"NEAREST": "nearest", "LINEAR": "linear" if emit.opset >= 20 else "bilinear",
                 "CUBIC": "cubic" if emit.opset >= 20 else "bicubic"}
        emit.node("GridSample", inputs, outputs[0], mode=names[self.interpolation_mode.name],
                  padding_mode=self._PADDING[self.sample_mode], align_corners=int(self.align_corners))


class IFillLayer(ILayer):
    """Numbers at equal steps, or random ones."""

    _layer_type = LayerType.FILL
    shape = Extents(())
    operation = Parameter(FillOperation.LINSPACE)
    alpha = Parameter(0.0)
    beta = Parameter(1.0)
    to_type = Parameter(DataType.FLOAT)

    def is_alpha_beta_int64(self) -> bool:
        return isinstance(self.alpha, int) and isinstance(self.beta, int)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        if any(inputs):
            raise error("IFillLayer.set_input", "give shape, alpha and beta as numbers")
        shape = list(self.shape)
        if self.operation == FillOperation.RANDOM_UNIFORM:
            emit.node("RandomUniform", [], outputs[0], shape=shape, low=float(self.alpha), high=float(self.beta),
                      dtype=onnx_type(self.to_type))
        elif self.operation == FillOperation.RANDOM_NORMAL:
            emit.node("RandomNormal", [], outputs[0], shape=shape, mean=float(self.alpha), scale=float(self.beta),
                      dtype=onnx_type(self.to_type))
        elif len(shape) != 1:
            raise error("IFillLayer.shape", "LINSPACE makes one dimension; make others with add_constant")
        else:
            array = (self.alpha + self.beta * numpy.arange(shape[0])).astype(memory_dtype(self.to_type))
            emit.node("Identity", [emit.constant(array)], outputs[0])
