# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The whole ONNX backend suite through penstock.backend, against the reviewed table of expected failures."""
import numpy as np
import onnx
import onnx_suite
import pytest

import penstock
import penstock.backend


@pytest.fixture(scope="module")
def results():
    return onnx_suite.run_suite("penstock")


def test_every_case_passes_but_those_of_the_table(results):
    expected = onnx_suite.read_expected()
    failing = {name: reason for name, reason in results.items() if reason is not None}
    broken = {name: reason for name, reason in failing.items() if name not in expected}
    assert not broken, f"{len(broken)} cases fail that should pass: {broken}"


def test_no_case_of_the_table_passes(results):
    expected = onnx_suite.read_expected()
    mended = [name for name in expected if name in results and results[name] is None]
    assert not mended, f"these pass now, take them out of {onnx_suite.EXPECTED.name}: {' '.join(mended)}"
    unknown = expected.keys() - results.keys()
    assert not unknown, f"the suite has no such cases: {' '.join(sorted(unknown))}"


def test_no_case_kills_its_process(results):
    dead = [name for name, reason in results.items() if reason in ("the process died", "no answer in 120 s")]
    assert not dead


def test_run_node_runs_one_operator():
    node = onnx.helper.make_node("Add", ["a", "b"], ["c"])
    (total,) = penstock.backend.run_node(node, [np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)])
    np.testing.assert_array_equal(total, [[1, 2, 3], [1, 2, 3]])


def test_supports_only_the_cpu():
    assert penstock.backend.supports_device("CPU")
    assert not penstock.backend.supports_device("CUDA")


def test_a_wrong_number_of_inputs_is_named():
    node = onnx.helper.make_node("Relu", ["a"], ["b"])
    graph = onnx.helper.make_graph([node], "g", [onnx.helper.make_tensor_value_info("a", 1, [2])],
                                   [onnx.helper.make_tensor_value_info("b", 1, [2])])
    model = penstock.backend.prepare(onnx.helper.make_model(graph))
    with pytest.raises(penstock.InvalidArgumentError, match="the model takes 1 \\(a\\), got 2"):
        model.run([np.ones(2, np.float32)] * 2)
