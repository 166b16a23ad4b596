# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Small ONNX models for the tests of the command line."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def save(path, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "small", inputs, outputs,
                              [numpy_helper.from_array(array, name) for name, array in initializers])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def weights(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32) / 4


def conv_net(path):
    """images [batch,3,16,16] -> Conv, Relu, Conv, mean, MatMul -> logits [batch,10]."""
    nodes = [
        helper.make_node("Conv", ["images", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "conv2", strides=[2, 2]),
        helper.make_node("ReduceMean", ["c2"], ["m"], "mean", axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w3"], ["logits"], "classes"),
    ]
    parameters = [("w1", weights(8, 3, 3, 3)), ("b1", weights(8)), ("w2", weights(16, 8, 3, 3)), ("w3", weights(16, 10))]
    return save(path, nodes, [value("images", ["batch", 3, 16, 16])], [value("logits", ["batch", 10])], parameters)


def two_inputs(path):
    """left [rows,4] + float(right [rows,4]) -> sum."""
    nodes = [helper.make_node("Cast", ["right"], ["converted"], "cast", to=TensorProto.FLOAT),
             helper.make_node("Add", ["left", "converted"], ["sum"], "add")]
    return save(path, nodes, [value("left", ["rows", 4]), value("right", ["rows", 4], TensorProto.INT64)],
                [value("sum", ["rows", 4])])


def endless_loop(path):
    """y = x doubled without end, node 'forever'."""
    body = helper.make_graph([helper.make_node("Add", ["state", "state"], ["next"])], "body",
                             [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("state", [1])],
                             [value("go", [], TensorProto.BOOL), value("next", [1])])
    return save(path, [helper.make_node("Loop", ["", "start", "x"], ["y"], name="forever", body=body)],
                [value("start", [], TensorProto.BOOL), value("x", [1])], [value("y", [1])])


def unsupported(path):
    """Two operators that nobody has, one of them twice."""
    nodes = [helper.make_node("Frobnicate", ["x"], ["a"], "first", domain="com.example"),
             helper.make_node("Frobnicate", ["a"], ["b"], "second", domain="com.example"),
             helper.make_node("Wibble", ["b"], ["y"], "third")]
    return save(path, nodes, [value("x", [2])], [value("y", [2])])


def custom(path):
    """x [3] -> com.example::Clamp -> y."""
    node = helper.make_node("Clamp", ["x"], ["y"], "clamp", domain="com.example", low=0.0, high=1.0)
    return save(path, [node], [value("x", [3])], [value("y", [3])])


def cyclic(path):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], "first"), helper.make_node("Relu", ["a"], ["b"], "second")]
    return save(path, nodes, [value("x", [2])], [value("b", [2])])


def dangling(path):
    nodes = [helper.make_node("Add", ["x", "nowhere"], ["y"], "lonely")]
    return save(path, nodes, [value("x", [2])], [value("y", [2])])


def outside_file(path, location):
    """A model whose weights claim to lie in another file."""
    save(path, [helper.make_node("Add", ["x", "w"], ["y"], "add")], [value("x", [64])], [value("y", [64])],
         [("w", weights(64))])
    model = onnx.load(path, load_external_data=False)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    path.write_bytes(model.SerializeToString())
    return path
