# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Scan of opset 8, whose rows may end at lengths of their own."""
import command
import numpy as np
import pytest
from onnx import TensorProto, helper

STATE, X, Y = [[10], [20], [30]], [[1, 2, 3], [1, 2, 3], [1, 2, 3]], [[5, 6, 7], [5, 6, 7], [5, 6, 7]]


def info(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def run(lengths, directions):
    """The running sum of x from the state on, and beside each sum the element of y."""
    body = helper.make_graph(
        [helper.make_node("Add", ["sum_in", "x"], ["sum"]), helper.make_node("Concat", ["sum", "y"], ["both"], axis=0)],
        "body", [info("sum_in", [1]), info("x", [1]), info("y", [1])], [info("sum", [1]), info("both", [2])])
    graph = helper.make_graph(
        [helper.make_node("Scan", ["lengths", "state", "x", "y"], ["last", "sums"], body=body, num_scan_inputs=2,
                          directions=directions)],
        "scan", [info("lengths", ["n"], TensorProto.INT64), info("state", ["n", 1]), info("x", ["n", "t", 1]),
                 info("y", ["n", "t", 1])], [info("last", ["n", 1]), info("sums", ["n", "t", 2])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=4)
    command.WORK.mkdir(parents=True, exist_ok=True)
    source, plan = command.WORK / "scan8.onnx", command.WORK / "scan8.plan"
    source.write_bytes(model.SerializeToString())
    command.build(source, plan)
    inputs = {"state": np.float32(STATE), "x": np.float32(X)[..., None], "y": np.float32(Y)[..., None]}
    outputs = command.run(plan, inputs | {"lengths": np.array(lengths)})
    return outputs["last"].tolist(), outputs["sums"].tolist()


@pytest.mark.parametrize("directions", [None, [0, 0]])
def test_a_row_ends_at_its_length(directions):
    last, sums = run([2, 0, 3], directions)
    assert last == [[13], [20], [36]]
    assert sums == [[[11, 5], [13, 6], [0, 0]], [[0, 0], [0, 0], [0, 0]], [[31, 5], [33, 6], [36, 7]]]


def test_backwards_from_the_end_of_each_row():
    last, sums = run([2, 1, 3], [0, 1])
    assert last == [[13], [21], [36]]
    assert sums == [[[11, 6], [13, 5], [0, 0]], [[21, 5], [0, 0], [0, 0]], [[31, 7], [33, 6], [36, 5]]]
