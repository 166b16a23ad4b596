# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Every model builds, runs at several shapes, and agrees with ONNX Runtime; the shipped ones are as accurate as they say."""
import os

import catalog
import command
import datasets
import numpy as np
import onnx
import onnxruntime
import pytest
from agreement import check_detections, check_outputs

SIZES = {  # (batch, sequence) by what varies in the model
    "nothing": [(1, 0)],
    "batch": [(1, 0), (3, 0)],
    "sequence": [(1, 40), (3, 19)],
}


@pytest.fixture
def model_files(request):
    """The ONNX file and a path for the plan; what was not there before is deleted afterwards."""
    name = request.param
    before = (command.ROOT / "build" / "zoo" / f"{name}.onnx").exists()
    try:
        source = catalog.path_of(name)
    except catalog.Missing as missing:
        pytest.skip(str(missing))
    plan = command.WORK / f"{name}.plan"
    yield name, source, plan
    plan.unlink(missing_ok=True)
    if catalog.MODELS[name].origin == "zoo" and not before and "PENSTOCK_KEEP" not in os.environ:
        source.unlink()


def onnx_runtime(model):
    """A function from inputs to {output: array}."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(outputs, session.run(None, inputs)))


@pytest.mark.parametrize("model_files", catalog.names(), indirect=True)
def test_agrees_with_onnx_runtime(model_files):
    name, source, plan = model_files
    command.build(source, plan)
    peer = onnx_runtime(source)
    check = check_detections if name == "ssdlite320" else check_outputs
    for seed, (batch, sequence) in enumerate(SIZES[catalog.MODELS[name].varies]):
        inputs = catalog.make_inputs(name, batch, sequence, seed)
        check(command.run(plan, inputs), peer(inputs))


def with_inner_outputs(source, target, every=8):
    """The model with every eighth convolution's result as an output too."""
    model = onnx.load(source)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
        for node in convolutions[every - 1::every])
    onnx.save(model, target)


@pytest.mark.parametrize("model_files", ["ssdlite320"], indirect=True)
def test_inside_of_the_detector(model_files):
    """With its random weights the detector's scores are all equal: what leads to them is compared here."""
    name, source, plan = model_files
    inner = command.WORK / "ssdlite320_inner.onnx"
    with_inner_outputs(source, inner)
    command.build(inner, plan)
    inputs = catalog.make_inputs(name, seed=5)
    actual, expected = command.run(plan, inputs), onnx_runtime(inner)(inputs)
    inner.unlink()
    convolutions = [value for value in expected if value.endswith("Conv_output_0")]
    assert len(convolutions) >= 10
    check_outputs({value: actual[value.replace("/", "_")] for value in convolutions},
                  {value: expected[value] for value in convolutions})


@pytest.mark.parametrize("task", datasets.TASKS, ids=lambda task: task.name)
def test_accuracy_on_the_shipped_data(task):
    plan = command.WORK / f"accuracy_{task.name}.plan"
    command.build(catalog.path_of(task.name), plan)
    groups, labels = task.load()
    outputs = [command.run(plan, inputs) for inputs in groups]
    joined = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}
    plan.unlink()
    # The same rows in the same precision: only a rounding at a decision's edge may differ.
    assert task.judge(joined, labels) == pytest.approx(task.reference, abs=0.0015)
