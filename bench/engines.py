# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The engines that compare.py measures, behind one small interface: a name, and round(seconds) -> median milliseconds."""
import importlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
PENSTOCK = pathlib.Path(os.environ.get("PENSTOCK_BIN", ROOT / "build" / "release" / "bin")).resolve() / "penstock"
WARM_UP_SECONDS = 0.3
LOADS = 7  # repetitions of a load


def why_not(peer):
    """Why a peer cannot be measured here, or None."""
    try:
        importlib.import_module(peer)
    except ImportError as error:
        return str(error)
    return None


def penstock(*arguments):
    done = subprocess.run([PENSTOCK, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench: penstock {arguments[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def shapes_of(inputs):
    return ",".join(f"{name}:{'x'.join(map(str, array.shape))}" for name, array in inputs.items())


def is_dynamic(onnx):
    import onnx as schema
    graph = schema.load(onnx, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    return any(not dim.HasField("dim_value") for value in graph.input if value.name not in constants
               for dim in value.type.tensor_type.shape.dim)


def build_plan(onnx, plan, inputs, threads, cache):
    """Tunes for the shapes of the inputs; gives the seconds it took."""
    shapes = ["--opt-shapes", shapes_of(inputs)] if is_dynamic(onnx) else []
    begin = time.perf_counter()
    penstock("build", onnx, "-o", plan, "--threads", threads, "--timing-cache", cache, "-q", *shapes)
    return time.perf_counter() - begin


class Penstock:
    """Each round is a process of its own on the next of the inputs; its first 200 ms are not counted."""
    name = "penstock"

    def __init__(self, onnx, inputs, threads, folder):
        rows = len(next(iter(inputs[0].values())))
        self.plan = folder / f"batch{rows}.plan"
        self.times = folder / "times.json"
        self.next = 0
        build_plan(onnx, self.plan, inputs[0], threads, folder / "timing.cache")
        self.options = []
        for i, arrays in enumerate(inputs):
            options = []
            for name, array in arrays.items():
                np.save(folder / f"{i}_{name}.npy", array)
                options += ["--input", f"{name}={folder}/{i}_{name}.npy"]
            self.options.append(options)

    def round(self, seconds):
        options = self.options[self.next % len(self.options)]
        self.next += 1
        penstock("bench", self.plan, *options, "--duration", seconds, "--iterations", 5,
                 "--warmup", WARM_UP_SECONDS * 1000, "--export-times", self.times)
        return statistics.median(run["latencyMs"] for run in json.loads(self.times.read_text()))


class InProcess:
    """A peer that is called from Python, rotating the inputs."""

    def __init__(self, inputs):
        self.inputs = inputs

    def round(self, seconds):
        self.repeat(WARM_UP_SECONDS, 1)
        return statistics.median(self.repeat(seconds, 5))

    def repeat(self, seconds, least):
        times = []
        end = time.perf_counter() + seconds
        while len(times) < least or time.perf_counter() < end:
            inputs = self.inputs[len(times) % len(self.inputs)]
            begin = time.perf_counter()
            self.call(inputs)
            times.append((time.perf_counter() - begin) * 1000)
        return times


def onnx_runtime_session(onnx, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Its threads would spin on while another engine has its turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])


class OnnxRuntime(InProcess):
    name = "onnxruntime"

    def __init__(self, onnx, inputs, threads, folder):
        self.session = onnx_runtime_session(onnx, threads)
        super().__init__([self.bind(arrays) for arrays in inputs])

    def bind(self, arrays):
        """Inputs and outputs bound beforehand: a call is the run alone."""
        binding = self.session.io_binding()
        for name, array in arrays.items():
            binding.bind_cpu_input(name, array)
        for output in self.session.get_outputs():
            binding.bind_output(output.name)
        return binding

    def call(self, binding):
        self.session.run_with_iobinding(binding)


class OpenVino(InProcess):
    name = "openvino"

    def __init__(self, onnx, inputs, threads, folder):
        super().__init__(inputs)
        import openvino
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1}
        core = openvino.Core()
        model = core.read_model(onnx)
        if is_dynamic(onnx):  # its best case: shapes fixed to the measured ones
            model.reshape({name: list(array.shape) for name, array in inputs[0].items()})
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()

    def call(self, arrays):
        self.request.infer(arrays, share_inputs=True, share_outputs=True)


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def start(onnx, inputs, threads, peers, folder):
    """The engines, ready to run the model on these inputs."""
    return [kind(onnx, inputs, threads, folder) for kind in [Penstock, *(PEERS[peer] for peer in peers)]]


def median_of(repetitions, measure):
    return statistics.median(measure() for _ in range(repetitions))


def session_milliseconds(onnx, threads):
    begin = time.perf_counter()
    onnx_runtime_session(onnx, threads)
    return (time.perf_counter() - begin) * 1000


def load_milliseconds(plan):
    """Engine load and first context, as the program reports them."""
    text = penstock("bench", plan, "--duration", 0, "--iterations", 1, "--warmup", 0)
    return float(re.search(r"^Load: ([0-9.e+-]+) ms", text, re.MULTILINE)[1])


def load_times(onnx, inputs, threads, folder):
    """Seconds of a cold and a warm build, milliseconds of a load and of ONNX Runtime's session creation."""
    plan, cache = folder / "load.plan", folder / "cold.cache"
    times = {"cold": build_plan(onnx, plan, inputs, threads, cache),
             "warm": build_plan(onnx, plan, inputs, threads, cache),
             "load": median_of(LOADS, lambda: load_milliseconds(plan)), "session": None}
    if why_not("onnxruntime") is None:
        times["session"] = median_of(3, lambda: session_milliseconds(onnx, threads))
    return times


def stream_rates(onnx, inputs, arguments, folder):
    """Runs in a second of one context and of two side by side, each with one thread: medians over the rounds."""
    plan = folder / "one_thread.plan"
    build_plan(onnx, plan, inputs, 1, folder / "one_thread.cache")
    rates = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for streams, found in rates.items():
            text = penstock("bench", plan, "--shapes", shapes_of(inputs), "--streams", streams, "--threads", 1,
                            "--duration", arguments.seconds)
            found.append(float(re.search(r"^Throughput: ([0-9.e+-]+) qps", text, re.MULTILINE)[1]))
    return {streams: statistics.median(found) for streams, found in rates.items()}
