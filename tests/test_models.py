# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Every model builds, runs at several shapes, and agrees with ONNX Runtime; the shipped ones are as accurate as they say."""
import os

import catalog
import command
import datasets
import numpy as np
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
        onnx = catalog.path_of(name)
    except catalog.Missing as missing:
        pytest.skip(str(missing))
    plan = command.WORK / f"{name}.plan"
    yield name, onnx, plan
    plan.unlink(missing_ok=True)
    if catalog.MODELS[name].origin == "zoo" and not before and "PENSTOCK_KEEP" not in os.environ:
        onnx.unlink()


def onnx_runtime(onnx):
    """A function from inputs to {output: array}."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(outputs, session.run(None, inputs)))


@pytest.mark.parametrize("model_files", catalog.names(), indirect=True)
def test_agrees_with_onnx_runtime(model_files):
    name, onnx, plan = model_files
    command.build(onnx, plan)
    peer = onnx_runtime(onnx)
    check = check_detections if name == "ssdlite320" else check_outputs
    for seed, (batch, sequence) in enumerate(SIZES[catalog.MODELS[name].varies]):
        inputs = catalog.make_inputs(name, batch, sequence, seed)
        check(command.run(plan, inputs), peer(inputs))


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
