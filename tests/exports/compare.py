# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""An exported model in ONNX Runtime and in Penstock."""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import penstock
from agreement import RELATIVE, check_detections, check_outputs


def peer(path, threads=0):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = [value.name for value in session.get_inputs()]
    return lambda inputs: dict(zip(names, session.run(None, {name: inputs[name] for name in wanted})))


def largest_error(actual, expected):
    """Of all floating-point outputs, relative to each one's largest value."""
    worst = 0.0
    for name, wanted in expected.items():
        if wanted.dtype.kind == "f" and wanted.size and actual[name].shape == wanted.shape:
            finite = np.isfinite(wanted)
            scale = np.abs(wanted[finite]).max(initial=0)
            if scale:
                worst = max(worst, float(np.abs(actual[name][finite] - wanted[finite]).max(initial=0) / scale))
    return worst


def says_something(outputs):
    """Outputs that are empty, constant or not finite would agree whatever the engine computes."""
    floats = [value for value in outputs.values() if value.dtype.kind == "f"]
    return any(value.size > 1 and np.isfinite(value).any() and np.ptp(value[np.isfinite(value)]) > 0 for value in floats)


def one_line(error):
    return " ".join(str(error).split())[:400]


def compare(folder, level=1, timing_cache=None):
    """{opset, result, runs, error, detail}: result is agrees, differs, refused, or peer, where ONNX Runtime fails."""
    folder = pathlib.Path(folder)
    path = str(folder / "model.onnx")
    about = json.loads((folder / "about.json").read_text())
    opsets = {one.domain: one.version for one in onnx.load(path, load_external_data=False).opset_import}
    outcome = {"opset": opsets.get("", 0), "runs": 0, "error": 0.0, "detail": "", "result": "agrees"}
    samples = [dict(np.load(folder / f"inputs_{i}.npz")) for i in range(2)]
    expected = []
    try:
        reference = peer(path)
        for sample in samples:
            expected.append(reference(sample))
    except Exception as failure:  # noqa: BLE001 - whatever ONNX Runtime raises is recorded
        outcome["detail"] = "ONNX Runtime: " + one_line(failure)
        if not expected:
            return outcome | {"result": "peer"}
    try:
        plan = penstock.build(path, optimization_level=level, timing_cache=timing_cache)
        context = penstock.Engine(plan).create_context()
        wanted = {value.name for value in penstock.Engine(plan).inputs}
        for sample, outputs in zip(samples, expected):
            actual = context.run({name: array for name, array in sample.items() if name in wanted})
            if not about["detections"]:
                outcome["error"] = max(outcome["error"], largest_error(actual, outputs))
            assert says_something(outputs), "the outputs are constant"
            (check_detections if about["detections"] else check_outputs)(actual, outputs)
            outcome["runs"] += 1
    except AssertionError as failure:
        return outcome | {"result": "differs", "detail": one_line(failure) or "fewer than 99 in 100 boxes within 1e-4 at one of the sizes"}
    except Exception as failure:  # noqa: BLE001 - any failure of Penstock is the finding
        return outcome | {"result": "refused", "detail": one_line(failure)}
    return outcome


__all__ = ["RELATIVE", "compare", "peer"]
