# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What TensorRT calls the nodes of a parsed model."""
from __future__ import annotations

from typing import Any

from penstock.trt.enums import (ActivationType, ElementWiseOperation, LayerType, PoolingType, ReduceOperation, TopKOperation,
                                UnaryOperation)

_ACTIVATIONS = {"Relu": "RELU", "Sigmoid": "SIGMOID", "Tanh": "TANH", "LeakyRelu": "LEAKY_RELU", "Elu": "ELU", "Selu": "SELU",
                "Softsign": "SOFTSIGN", "Softplus": "SOFTPLUS", "Clip": "CLIP", "HardSigmoid": "HARD_SIGMOID",
                "ThresholdedRelu": "THRESHOLDED_RELU", "Gelu": "GELU_ERF"}
_ELEMENTWISE = {"Add": "SUM", "Mul": "PROD", "Max": "MAX", "Min": "MIN", "Sub": "SUB", "Div": "DIV", "Pow": "POW", "And": "AND",
                "Or": "OR", "Xor": "XOR", "Equal": "EQUAL", "Greater": "GREATER", "Less": "LESS"}
_UNARY = {"Reciprocal": "RECIP", "IsInf": "ISINF", "IsNaN": "ISNAN",
          **{name.capitalize(): name for name in UnaryOperation.__members__ if name not in ("RECIP", "ISINF", "ISNAN")}}
_REDUCE = {"ReduceSum": "SUM", "ReduceProd": "PROD", "ReduceMax": "MAX", "ReduceMin": "MIN", "ReduceMean": "AVG"}
_OTHERS = {
    "Conv": "CONVOLUTION", "ConvTranspose": "DECONVOLUTION", "MatMul": "MATRIX_MULTIPLY", "Gemm": "MATRIX_MULTIPLY",
    "Concat": "CONCATENATION", "Softmax": "SOFTMAX", "Reshape": "SHUFFLE", "Transpose": "SHUFFLE", "Flatten": "SHUFFLE",
    "GlobalAveragePool": "REDUCE", "Constant": "CONSTANT", "Cast": "CAST", "Gather": "GATHER", "Slice": "SLICE",
    "Shape": "SHAPE", "Resize": "RESIZE", "NonZero": "NON_ZERO", "Where": "SELECT", "Identity": "IDENTITY",
    "BatchNormalization": "SCALE", "LayerNormalization": "NORMALIZATION", "InstanceNormalization": "NORMALIZATION",
    "GroupNormalization": "NORMALIZATION", "Squeeze": "SQUEEZE", "Unsqueeze": "UNSQUEEZE", "Einsum": "EINSUM",
    "PRelu": "PARAMETRIC_RELU", "LRN": "LRN", "CumSum": "CUMULATIVE", "OneHot": "ONE_HOT", "GridSample": "GRID_SAMPLE",
    "QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE", "ScatterND": "SCATTER", "ScatterElements": "SCATTER",
    "NonMaxSuppression": "NMS", "ReverseSequence": "REVERSE_SEQUENCE",
}
_FAMILIES = [(_ACTIVATIONS, LayerType.ACTIVATION, "type", ActivationType),
             (_ELEMENTWISE, LayerType.ELEMENTWISE, "op", ElementWiseOperation),
             (_UNARY, LayerType.UNARY, "op", UnaryOperation),
             (_REDUCE, LayerType.REDUCE, "op", ReduceOperation),
             ({"MaxPool": "MAX", "AveragePool": "AVERAGE"}, LayerType.POOLING, "type", PoolingType),
             ({"TopK": "MAX"}, LayerType.TOPK, "op", TopKOperation)]


def layer_type(operator: str) -> LayerType:
    """PLUGIN for operators that TensorRT has no layer of."""
    for names, kind, _, _ in _FAMILIES:
        if operator in names:
            return kind
    return LayerType[_OTHERS.get(operator, "PLUGIN")]


def parameter(operator: str, name: str) -> Any:
    """The `type` or `op` of a layer; None where the operator does not tell."""
    for names, _, property_name, enumeration in _FAMILIES:
        if operator in names and property_name == name:
            return enumeration[names[operator]]
    return None
