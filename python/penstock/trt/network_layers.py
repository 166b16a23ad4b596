# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The calls of INetworkDefinition that add layers."""
from __future__ import annotations

from typing import Any

import numpy

from penstock.trt import layers, shape_layers
from penstock.trt.enums import (CumulativeOperation, DataType, FillOperation, GatherMode, MatrixOperation, PoolingType,
                                ScaleMode, ScatterMode)


class LayerCalls:
    """Each gives the layer; what it does not take is set on the layer."""

    _add: Any

    def add_convolution_nd(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):  # noqa: A002
        return self._add(layers.IConvolutionLayer, [input], num_output_maps=num_output_maps, kernel_size_nd=kernel_shape,
                         kernel=kernel, bias=bias)

    def add_convolution(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):  # noqa: A002
        return self.add_convolution_nd(input, num_output_maps, kernel_shape, kernel, bias)

    def add_deconvolution_nd(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):  # noqa: A002
        return self._add(layers.IDeconvolutionLayer, [input], num_output_maps=num_output_maps, kernel_size_nd=kernel_shape,
                         kernel=kernel, bias=bias)

    def add_deconvolution(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):  # noqa: A002
        return self.add_deconvolution_nd(input, num_output_maps, kernel_shape, kernel, bias)

    def add_fully_connected(self, input, num_outputs, kernel, bias=None):  # noqa: A002
        return self._add(layers.IFullyConnectedLayer, [input], num_output_channels=num_outputs, kernel=kernel, bias=bias)

    def add_activation(self, input, type):  # noqa: A002
        return self._add(layers.IActivationLayer, [input], type=type)

    def add_pooling_nd(self, input, type, window_size):  # noqa: A002
        return self._add(layers.IPoolingLayer, [input], type=PoolingType(type), window_size_nd=window_size)

    def add_pooling(self, input, type, window_size):  # noqa: A002
        return self.add_pooling_nd(input, type, window_size)

    def add_lrn(self, input, window, alpha, beta, k):  # noqa: A002
        return self._add(layers.ILRNLayer, [input], window_size=window, alpha=alpha, beta=beta, k=k)

    def add_scale(self, input, mode, shift=None, scale=None, power=None):  # noqa: A002
        return self.add_scale_nd(input, mode, shift, scale, power)

    def add_scale_nd(self, input, mode, shift=None, scale=None, power=None, channel_axis=1):  # noqa: A002
        return self._add(layers.IScaleLayer, [input], mode=ScaleMode(mode), shift=shift, scale=scale, power=power,
                         channel_axis=channel_axis)

    def add_softmax(self, input):  # noqa: A002
        return self._add(layers.ISoftMaxLayer, [input])

    def add_concatenation(self, inputs):
        return self._add(layers.IConcatenationLayer, list(inputs))

    def add_elementwise(self, input1, input2, op):
        return self._add(layers.IElementWiseLayer, [input1, input2], op=op)

    def add_unary(self, input, op):  # noqa: A002
        return self._add(layers.IUnaryLayer, [input], op=op)

    def add_padding_nd(self, input, pre_padding, post_padding):  # noqa: A002
        return self._add(shape_layers.IPaddingLayer, [input], pre_padding_nd=pre_padding, post_padding_nd=post_padding)

    def add_padding(self, input, pre_padding, post_padding):  # noqa: A002
        return self.add_padding_nd(input, pre_padding, post_padding)

    def add_shuffle(self, input):  # noqa: A002
        return self._add(shape_layers.IShuffleLayer, [input])

    def add_slice(self, input, start, shape, stride):  # noqa: A002
        return self._add(shape_layers.ISliceLayer, [input], start=start, shape=shape, stride=stride)

    def add_reduce(self, input, op, axes, keep_dims):  # noqa: A002
        return self._add(layers.IReduceLayer, [input], op=op, axes=axes, keep_dims=keep_dims)

    def add_topk(self, input, op, k, axes, indices_type=DataType.INT32):  # noqa: A002
        return self._add(layers.ITopKLayer, [input], 2, op=op, k=k, axes=axes, indices_type=indices_type)

    def add_gather(self, input, indices, axis):  # noqa: A002
        return self._add(shape_layers.IGatherLayer, [input, indices], axis=axis)

    def add_gather_v2(self, input, indices, mode):  # noqa: A002
        return self._add(shape_layers.IGatherLayer, [input, indices], mode=GatherMode(mode))

    def add_scatter(self, data, indices, updates, mode):
        return self._add(shape_layers.IScatterLayer, [data, indices, updates], mode=ScatterMode(mode))

    def add_matrix_multiply(self, input0, op0, input1, op1):
        # Older scripts say whether to transpose with True and False.
        return self._add(layers.IMatrixMultiplyLayer, [input0, input1], op0=MatrixOperation(int(op0)),
                         op1=MatrixOperation(int(op1)))

    def add_constant(self, shape, weights):
        return self._add(shape_layers.IConstantLayer, [], shape=shape, weights=weights)

    def add_identity(self, input):  # noqa: A002
        return self._add(shape_layers.IIdentityLayer, [input])

    def add_cast(self, input, to_type):  # noqa: A002
        return self._add(shape_layers.ICastLayer, [input], to_type=to_type)

    def add_parametric_relu(self, input, slopes):  # noqa: A002
        return self._add(layers.IParametricReLULayer, [input, slopes])

    def add_resize(self, input):  # noqa: A002
        return self._add(shape_layers.IResizeLayer, [input])

    def add_shape(self, input):  # noqa: A002
        return self._add(shape_layers.IShapeLayer, [input])

    def add_select(self, condition, then_input, else_input):
        return self._add(shape_layers.ISelectLayer, [condition, then_input, else_input])

    def add_grid_sample(self, input, grid):  # noqa: A002
        return self._add(shape_layers.IGridSampleLayer, [input, grid])

    def add_fill(self, shape, op, output_type=DataType.FLOAT):
        return self._add(shape_layers.IFillLayer, [], shape=shape, operation=FillOperation(op), to_type=output_type)

    def add_einsum(self, inputs, equation):
        return self._add(layers.IEinsumLayer, list(inputs), equation=equation)

    def add_one_hot(self, indices, values, depth, axis):
        return self._add(shape_layers.IOneHotLayer, [indices, values, depth], axis=axis)

    def add_non_zero(self, input, indices_type=DataType.INT32):  # noqa: A002
        return self._add(shape_layers.INonZeroLayer, [input], indices_type=indices_type)

    def add_reverse_sequence(self, input, sequence_lens):  # noqa: A002
        return self._add(shape_layers.IReverseSequenceLayer, [input, sequence_lens])

    def add_normalization(self, input, scale, bias, axesMask):  # noqa: A002, N803
        return self._add(layers.INormalizationLayer, [input, scale, bias], axes=axesMask)

    def add_normalization_v2(self, input, scale, bias, axesMask):  # noqa: A002, N803
        return self.add_normalization(input, scale, bias, axesMask)

    def add_cumulative(self, input, axis, op, exclusive, reverse):  # noqa: A002
        return self._add(layers.ICumulativeLayer, [input, axis], op=CumulativeOperation(op), exclusive=exclusive,
                         reverse=reverse)

    def add_quantize(self, input, scale, output_type=DataType.INT8):  # noqa: A002
        return self._add(layers.IQuantizeLayer, [input, scale], to_type=DataType(output_type))

    def add_dequantize(self, input, scale, output_type=DataType.FLOAT):  # noqa: A002
        return self._add(layers.IDequantizeLayer, [input, scale], to_type=DataType(output_type))

    def add_squeeze(self, input, axes):  # noqa: A002
        return self._add(shape_layers.ISqueezeLayer, [input, self._axes(axes)])

    def add_unsqueeze(self, input, axes):  # noqa: A002
        return self._add(shape_layers.IUnsqueezeLayer, [input, self._axes(axes)])

    def _axes(self, axes):
        if hasattr(axes, "_network"):
            return axes
        array = numpy.atleast_1d(numpy.asarray(axes, numpy.int64))
        return self.add_constant(array.shape, array).get_output(0)
