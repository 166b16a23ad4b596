#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What a call costs from Python: a model of three small nodes, bound arrays, beside ONNX Runtime's io-binding.

The engines take turns; the table gives the median over rounds of microseconds per call, and the ratio.
"""
import argparse
import statistics
import sys
import time

import numpy as np
import onnx.parser
import onnxruntime

import penstock

MODEL = """
<ir_version: 10, opset_import: ["" : 17]>
three (float[4, 16] x, float[16, 16] w) => (float[4, 16] y) { a = MatMul(x, w)  b = Relu(a)  y = Softmax(b) }
"""


def arrays():
    generator = np.random.default_rng(0)
    return {"x": generator.standard_normal((4, 16), np.float32), "w": generator.standard_normal((16, 16), np.float32)}


def penstock_context(model):
    return penstock.Engine(penstock.build(model, threads=1)).create_context()


def penstock_bound(model):
    context = penstock_context(model)
    for name, array in arrays().items():
        context.set_input(name, array)
    context.set_output("y", np.empty((4, 16), np.float32))
    return context.execute


def penstock_run(model):
    context, inputs = penstock_context(model), arrays()
    return lambda: context.run(inputs)


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def onnxruntime_bound(model):
    runtime = session(model)
    binding = runtime.io_binding()
    for name, array in arrays().items():
        binding.bind_cpu_input(name, array)
    target = onnxruntime.OrtValue.ortvalue_from_shape_and_type([4, 16], np.float32)
    binding.bind_ortvalue_output("y", target)
    return lambda: runtime.run_with_iobinding(binding)


def onnxruntime_run(model):
    runtime, inputs = session(model), arrays()
    return lambda: runtime.run(None, inputs)


def microseconds(call, calls):
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=5000)
    arguments = parser.parse_args()
    model = onnx.parser.parse_model(MODEL)
    rows = {"bound arrays": (penstock_bound(model), onnxruntime_bound(model)),
            "arrays in, arrays out": (penstock_run(model), onnxruntime_run(model))}
    print("| call | penstock | onnxruntime | ratio |\n|---|---:|---:|---:|")
    for name, calls in rows.items():
        times = ([], [])
        for call in calls:
            microseconds(call, 200)
        for _ in range(arguments.rounds):
            for call, taken in zip(calls, times):
                taken.append(microseconds(call, arguments.calls))
        ours, theirs = map(statistics.median, times)
        print(f"| {name} | {ours:.2f} µs | {theirs:.2f} µs | {ours / theirs:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
