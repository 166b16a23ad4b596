# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Models that ONNX Runtime's quantizer wrote compute in 8 bits, and agree with ONNX Runtime."""
import numpy as np
import onnx
import penstock
import pytest
from onnx import helper
from small_models import save, value, weights

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime, which writes and checks these models, is absent")
quantization = pytest.importorskip("onnxruntime.quantization", reason="ONNX Runtime's quantizer is absent")

INT8, UINT8 = quantization.QuantType.QInt8, quantization.QuantType.QUInt8
QDQ, QOPERATOR = quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator
IMAGES = np.random.default_rng(1).uniform(-1, 1, (24, 3, 16, 16)).astype(np.float32)


class Batches(quantization.CalibrationDataReader):
    """The images, eight at a time."""

    def __init__(self):
        self.batches = iter([{"images": IMAGES[i:i + 8]} for i in range(0, len(IMAGES), 8)])

    def get_next(self):
        return next(self.batches, None)


def residual_net(path):
    """images [batch,3,16,16] -> Conv, Relu, MaxPool, a residual block, mean, Gemm -> logits [batch,10]."""
    nodes = [
        helper.make_node("Conv", ["images", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Conv", ["r2", "w3", "b2"], ["c3"], "conv3", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["p1", "c3"], ["s"], "add"),
        helper.make_node("Relu", ["s"], ["r3"], "relu3"),
        helper.make_node("GlobalAveragePool", ["r3"], ["m"], "mean"),
        helper.make_node("Flatten", ["m"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["logits"], "classes", transB=1),
    ]
    parameters = [("w1", weights(16, 3, 3, 3)), ("b1", weights(16)), ("w2", weights(16, 16, 3, 3, seed=1) / 2),
                  ("b2", weights(16, seed=2)), ("w3", weights(16, 16, 3, 3, seed=3) / 2), ("w4", weights(10, 16, seed=4)),
                  ("b4", weights(10, seed=5))]
    return save(path, nodes, [value("images", ["batch", 3, 16, 16])], [value("logits", ["batch", 10])], parameters)


def expected(path, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def kernels(plan, path):
    """(operator, tactic) of each layer, as inspect tells."""
    plan.save(path)
    return [(layer["op"], layer["tactic"]) for layer in penstock.inspect(path)["layers"]]


# Weights of 7 bits: without VNNI instructions ONNX Runtime's sums of uint8 times int8 saturate beyond.
@pytest.mark.parametrize("form, activations, per_channel", [
    (QDQ, UINT8, True), (QDQ, INT8, True), (QDQ, UINT8, False), (QOPERATOR, UINT8, False)])
def test_static_quantization(tmp_path, form, activations, per_channel):
    source = residual_net(tmp_path / "float.onnx")
    path = tmp_path / "quantized.onnx"
    quantization.quantize_static(source, path, Batches(), quant_format=form, per_channel=per_channel, reduce_range=True,
                                 activation_type=activations, weight_type=INT8)
    plan = penstock.build(path, device="cpu", optimization_level=0)
    layers = kernels(plan, tmp_path / "quantized.plan")
    assert [layer for layer in layers if layer[0] in ("Conv", "MatMul")] == []
    assert layers.count(("QuantizedConv", "onednn.quantized_conv")) == 3, layers
    assert layers.count(("QuantizedMatMul", "onednn.quantized_matmul")) == 1, layers
    context = penstock.Engine(plan, device="cpu").create_context()
    logits = context.run({"images": IMAGES})["logits"]
    theirs = expected(path, {"images": IMAGES})
    # Roundings at ties may fall to two sides: a unit of the last scale, and seldom.
    unit = np.ptp(theirs) / 255
    difference = np.abs(logits - theirs)
    assert difference.max() <= 4 * unit, difference.max() / unit
    assert difference.mean() <= unit / 2, difference.mean() / unit
    scale = np.abs(theirs - expected(source, {"images": IMAGES})).mean()
    assert difference.mean() <= scale, "farther from ONNX Runtime than that is from float32"


def test_quantization_at_run_time(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"], "product"), helper.make_node("Add", ["p", "b"], ["s"], "bias"),
             helper.make_node("Relu", ["s"], ["y"], "relu")]
    source = save(tmp_path / "float.onnx", nodes, [value("x", ["batch", 7, 32])], [value("y", ["batch", 7, 24])],
                  [("w", weights(32, 24)), ("b", weights(24, seed=1))])
    path = tmp_path / "quantized.onnx"
    quantization.quantize_dynamic(source, path, per_channel=True, reduce_range=True)
    assert any(node.op_type == "MatMulInteger" for node in onnx.load(path).graph.node)
    x = np.random.default_rng(2).standard_normal((3, 7, 32), np.float32)
    context = penstock.Engine(penstock.build(path, device="cpu", optimization_level=0), device="cpu").create_context()
    np.testing.assert_allclose(context.run({"x": x})["y"], expected(path, {"x": x}), rtol=1e-4, atol=1e-4)
