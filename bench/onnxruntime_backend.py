# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime behind ONNX's backend interface, for the suite: it ships none of its own.

Its Python interface takes types of less than a byte an element a byte: cases with such inputs fail for that.
"""
import ctypes

import ml_dtypes
import numpy as np
import onnx
import onnx.backend.base
import onnxruntime


# Types that ml_dtypes gives to NumPy, with their bits.
EXTENSIONS = {
    onnx.TensorProto.BFLOAT16: 16, onnx.TensorProto.FLOAT8E4M3FN: 8, onnx.TensorProto.FLOAT8E4M3FNUZ: 8,
    onnx.TensorProto.FLOAT8E5M2: 8, onnx.TensorProto.FLOAT8E5M2FNUZ: 8, onnx.TensorProto.FLOAT8E8M0: 8,
    onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4, onnx.TensorProto.FLOAT4E2M1: 4,
    onnx.TensorProto.INT2: 2, onnx.TensorProto.UINT2: 2,
}


def is_extension(array):
    """A type of ml_dtypes, which ONNX Runtime takes as bits with a type beside them."""
    return isinstance(array, np.ndarray) and hasattr(ml_dtypes, str(array.dtype))


def to_value(array):
    if not is_extension(array):
        return onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"))
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    bits = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}").reshape(array.shape)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, kind)


def from_value(value):
    """A copy, in ml_dtypes' types where NumPy has none."""
    kind = value.element_type()
    if kind not in EXTENSIONS:
        return value.numpy()
    shape = value.shape()
    count = (int(np.prod(shape)) * EXTENSIONS[kind] + 7) // 8
    raw = ctypes.string_at(value.data_ptr(), count)
    return onnx.numpy_helper.to_array(onnx.TensorProto(data_type=kind, dims=shape, raw_data=raw))


class Session(onnx.backend.base.BackendRep):
    def __init__(self, model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                    providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in model.graph.output]
        self.has_extensions = any(output.type.tensor_type.elem_type in EXTENSIONS for output in model.graph.output)

    def run(self, inputs, **kwargs):
        names = [tensor.name for tensor in self.session.get_inputs()]
        values = dict(zip(names, inputs)) if isinstance(inputs, (list, tuple)) else dict(inputs)
        values = {name: np.asarray(value) if isinstance(value, np.generic) else value for name, value in values.items()}
        if not self.has_extensions and not any(is_extension(value) for value in values.values()):
            return tuple(self.session.run(self.outputs, values))
        ort = {name: to_value(value) for name, value in values.items()}
        return tuple(from_value(value) for value in self.session.run_with_ort_values(self.outputs, ort))


class OnnxRuntimeBackend(onnx.backend.base.Backend):
    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        return Session(model)


supports_device = OnnxRuntimeBackend.supports_device
is_compatible = OnnxRuntimeBackend.is_compatible
prepare = OnnxRuntimeBackend.prepare
run_model = OnnxRuntimeBackend.run_model
run_node = OnnxRuntimeBackend.run_node
