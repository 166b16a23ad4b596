#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Penstock and PyTorch side by side on a GPU, as a Markdown table of milliseconds and ratios.

The same models with the same weights: PyTorch runs its modules in CUDA graphs (and through torch.compile with
--compile, which takes minutes a case), Penstock runs what torch.onnx.export makes of them. The engines take turns,
round by round. Milliseconds are those of a run among runs enqueued back to back, inputs and outputs in the GPU's
memory. A ratio above 1 means that Penstock is faster.
"""
import argparse
import json
import math
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from engines import penstock, shapes_of  # noqa: E402  (needs the path above)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="by name (default: all)")
    parser.add_argument("--batch", type=int, nargs="+", help="instead of each model's own")
    parser.add_argument("--precision", default="fp16", choices=["fp16", "bf16", "fp32"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each engine in each round")
    parser.add_argument("--compile", action="store_true", help="torch.compile(mode='max-autotune') as well")
    parser.add_argument("--parts", nargs="+", default=["device", "host", "streams"], choices=["device", "host", "streams"])
    parser.add_argument("--concurrency", action="store_true",
                        help="instead: eight contexts of ResNet-50 against one, and ResNet-50 and BERT-base against turns")
    parser.add_argument("--output", type=pathlib.Path, help="also write the tables to this file")
    return parser.parse_args()


def say(text):
    print(f"-- {text}", file=sys.stderr, flush=True)


class Penstock:
    name = "penstock"

    def __init__(self, onnx, inputs, precision, folder):
        self.plan, self.shapes, self.folder = folder / "model.plan", shapes_of(inputs), folder
        self.inputs = []
        for name, tensor in inputs.items():
            np.save(folder / f"{name}.npy", tensor.numpy())
            self.inputs += ["--input", f"{name}={folder / name}.npy"]
        flags = [] if precision == "fp32" else [f"--{precision}"]
        begin = time.perf_counter()
        penstock("build", onnx, "-o", self.plan, "--device", "cuda:0", "--min-shapes", self.shapes, "--opt-shapes",
                 self.shapes, "--max-shapes", self.shapes, "-q", *flags)
        self.build_seconds = time.perf_counter() - begin

    def output(self):
        path = self.folder / "output.json"
        penstock("bench", self.plan, "--iterations", 1, "--duration", 0, "--warmup", 0, "--export-output", path, *self.inputs)
        entry = json.loads(path.read_text())[-1]
        return np.array(entry["values"], np.float32).reshape([int(n) for n in entry["dimensions"].split("x")])

    def bench(self, seconds, *flags):
        """The summary's lines: {name: text}."""
        text = penstock("bench", self.plan, "--duration", seconds, "--warmup", 100, *self.inputs, *flags)
        summary = text[text.index("=== Performance summary ==="):]
        return dict(line.split(": ", 1) for line in summary.splitlines() if ": " in line)

    def milliseconds(self, seconds):
        return 1000 / qps(self.bench(seconds, "--no-data-transfers"))


def qps(summary):
    return float(summary["Throughput"].split()[0])


def median_of(line):
    return float(line.split("median = ")[1].split()[0])


class PyTorch:
    def __init__(self, name, runner):
        self.name, self.runner = name, runner

    def milliseconds(self, seconds):
        import gpu_peers
        return gpu_peers.milliseconds(self.runner, seconds)


def start_peers(model, inputs, arguments):
    import gpu_peers
    import torch
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[arguments.precision]
    call, moved = gpu_peers.to_device(model, inputs, dtype)
    peers = [PyTorch("PyTorch, CUDA graph", gpu_peers.Graph(call, moved))]
    if arguments.compile:
        peers.append(PyTorch("torch.compile", gpu_peers.Compiled(call, moved)))
    return peers


def expected(model, inputs):
    import torch
    with torch.no_grad():
        return model(*inputs.values()).numpy()


def measure(name, batch, model, onnx, arguments, folder):
    """One row: {"case", "ms": {engine: median}, "error", "build", and what the other parts tell}."""
    import gpu_peers
    import torch
    torch.manual_seed(batch)
    inputs = gpu_peers.CASES[name].inputs(batch)
    ours = Penstock(onnx, inputs, arguments.precision, folder)
    row = {"case": f"{name}, {batch}", "build": ours.build_seconds, "error": math.nan, "ms": {}}
    if batch <= 8:
        wanted = expected(model, inputs)
        row["error"] = float(np.abs(ours.output() - wanted).max() / np.abs(wanted).max())
    runners = [ours, *start_peers(model, inputs, arguments)]
    rounds = {runner.name: [] for runner in runners}
    for _ in range(arguments.rounds):
        for runner in runners:
            rounds[runner.name].append(runner.milliseconds(arguments.seconds))
    row["ms"] = {engine: statistics.median(times) for engine, times in rounds.items()}
    if "host" in arguments.parts:
        summary = ours.bench(arguments.seconds, "--wait-each")
        row["host"] = median_of(summary["Latency"])
        row["copies"] = median_of(summary["H2D Latency"]) + median_of(summary["D2H Latency"])
        row["load"] = summary["Load"]
    if "streams" in arguments.parts:
        rates = {streams: qps(ours.bench(arguments.seconds, "--streams", streams)) for streams in (1, 2, 8)}
        row["streams"] = {streams: rate / rates[1] for streams, rate in rates.items()}
    say(json.dumps(row))
    return row


def measure_model(name, arguments, rows):
    import gpu_peers
    import torch
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        model = gpu_peers.make_model(name)
        gpu_peers.export(model, name, folder / "model.onnx")
        for batch in arguments.batch or gpu_peers.CASES[name].batches:
            try:
                rows.append(measure(name, batch, model, folder / "model.onnx", arguments, folder))
            except (RuntimeError, SystemExit) as error:  # of PyTorch, of penstock
                say(f"{name}, batch {batch}: left out: {error}")
            torch.cuda.empty_cache()


def table(rows, arguments):
    import torch
    engines = list(dict.fromkeys(engine for row in rows for engine in row["ms"]))
    lines = [f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, {arguments.precision}; milliseconds a run.", "",
             "| model, batch | " + " | ".join(engines) + " | best peer / penstock | error | build s | host to host | copies "
             "| load | 2 streams | 8 streams |", "| --- " + "| ---: " * (len(engines) + 8) + "|"]
    ratios = []
    for row in rows:
        peers = [ms for engine, ms in row["ms"].items() if engine != "penstock"]
        ratios.append(min(peers) / row["ms"]["penstock"])
        cells = [row["case"], *(f"{row['ms'][engine]:.4g}" for engine in engines), f"{ratios[-1]:.3f}", f"{row['error']:.1g}",
                 f"{row['build']:.1f}", f"{row.get('host', math.nan):.4g}", f"{row.get('copies', math.nan):.4g}",
                 row.get("load", ""), *(f"{row.get('streams', {}).get(n, math.nan):.2f}" for n in (2, 8))]
        lines.append("| " + " | ".join(cells) + " |")
    mean = math.exp(statistics.mean(map(math.log, ratios)))
    return "\n".join([*lines, "", f"Geometric mean of the ratios: {mean:.3f}."])


def measure_concurrency(arguments):
    import concurrency
    import gpu_peers
    with tempfile.TemporaryDirectory() as text:
        models = []
        for name in ("resnet50", "bert_base_s128"):
            models.append(pathlib.Path(text) / f"{name}.onnx")
            gpu_peers.export(gpu_peers.make_model(name), name, models[-1])
        return concurrency.run(argparse.Namespace(
            models=models[:1], pair=models, pair_batches=[1, 8], contexts=8, device="cuda:0", precision=arguments.precision,
            seconds=arguments.seconds, timing_cache=pathlib.Path(text) / "timing.cache"))


def main():
    arguments = parse_arguments()
    try:
        import gpu_peers
        import torch
    except ImportError as error:
        raise SystemExit(f"gpu: PyTorch is missing ({error}); `./dev bench gpu` installs it") from None
    if not torch.cuda.is_available():
        raise SystemExit("gpu: PyTorch finds no GPU here; this comparison needs one")
    unknown = [name for name in arguments.models if name not in gpu_peers.CASES]
    if unknown:
        raise SystemExit(f"gpu: no model {', '.join(unknown)}; there are {', '.join(gpu_peers.CASES)}")
    if arguments.concurrency:
        print(measure_concurrency(arguments))
        return
    rows = []
    try:
        for name in arguments.models or gpu_peers.CASES:
            measure_model(name, arguments, rows)
    except KeyboardInterrupt:
        say("interrupted: the table has what was measured")
    if not rows:
        raise SystemExit("gpu: nothing was measured")
    text = table(rows, arguments)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
