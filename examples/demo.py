#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Compiles the models of examples/models, runs them on their test data, and prints a table.

Everything goes through the command line, as a user would do it: penstock build, run and bench.
usage: demo.py [NAME ...]
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import datasets
import numpy as np
import unpack

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
BIN = pathlib.Path(os.environ.get("PENSTOCK_BIN", BUILD / "release" / "bin")).resolve()
PENSTOCK = BIN / "penstock"
BENCH_SECONDS = 2
# Sentences are short: tune for 32 tokens, where the default would be 128.
TUNED_FOR = {"minilm_sentiment": ",".join(f"{name}:1x32" for name in
                                          ("input_ids", "attention_mask", "token_type_ids"))}
COLUMNS = ["model", "precision", "accuracy", "reference", "median", "p99", "throughput", "plan", "load"]


def say(text):
    print(f"-- {text}", flush=True)


def penstock(*arguments, progress=False):
    """Runs the program and gives its standard output; with progress, its standard error is shown."""
    command = [str(PENSTOCK), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"demo: penstock {arguments[0]} failed with exit code {done.returncode}\n{done.stderr or ''}")
    return done.stdout


def is_current(plan, *sources):
    return plan.exists() and all(plan.stat().st_mtime > source.stat().st_mtime for source in sources)


def build(name):
    """The plan of a shipped model; made again only when the model or the compiler changed."""
    onnx = unpack.unpack_model(name, BUILD / "models")
    plan = BUILD / "demo" / f"{name}.plan"
    if is_current(plan, onnx, PENSTOCK, *BIN.parent.glob("lib/*.so")):
        say(f"{name}: the plan is up to date")
        return plan
    say(f"{name}: build")
    plan.parent.mkdir(parents=True, exist_ok=True)
    options = ["--timing-cache", BUILD / "demo" / "timing.cache"]
    if name in TUNED_FOR:
        options += ["--opt-shapes", TUNED_FOR[name]]
    print(penstock("build", onnx, "-o", plan, *options, progress=True).replace(f"{BUILD}/", "build/"), end="")
    return plan


def save_inputs(inputs, folder):
    """Writes the arrays as .npy files; gives the options that name them."""
    options = []
    for name, array in inputs.items():
        np.save(folder / f"{name}.npy", array)
        options += ["--input", f"{name}={folder / name}.npy"]
    return options


def run(plan, inputs, folder):
    penstock("run", plan, *save_inputs(inputs, folder), "--output-dir", folder / "out")
    return {path.stem: np.load(path) for path in (folder / "out").glob("*.npy")}


def accuracy(task, plan, groups, labels, folder):
    """The task's figure over all its test data."""
    outputs = []
    for i, inputs in enumerate(groups):
        if sys.stdout.isatty():
            print(f"\r-- {task.name}: run {i + 1} of {len(groups)} ", end="", flush=True)
        outputs.append(run(plan, inputs, folder))
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    joined = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}
    figure = task.judge(joined, labels)
    say(f"{task.name}: {len(labels)} rows in {len(groups)} runs, {task.metric} {task.show(figure)}")
    return figure


def bench(plan, inputs, folder):
    """Times of single runs in milliseconds, and the engine's load time."""
    times = folder / "times.json"
    text = penstock("bench", plan, *save_inputs(inputs, folder), "--duration", BENCH_SECONDS, "--export-times", times)
    load = re.search(r"^Load: ([0-9.e+-]+) ms", text, re.MULTILINE)
    return [entry["latencyMs"] for entry in json.loads(times.read_text())], float(load[1])


def first_row(inputs):
    return {name: array[:1] for name, array in inputs.items()}


def measure(task, folder):
    plan = build(task.name)
    groups, labels = task.load()
    figure = accuracy(task, plan, groups, labels, folder)
    middle = groups[len(groups) // 2]
    say(f"{task.name}: measure batch 1, then batch {len(middle[next(iter(middle))])}")
    single, load = bench(plan, first_row(middle), folder)
    many, _ = bench(plan, middle, folder)
    rows = len(next(iter(middle.values())))
    return [
        task.title, "FP32", f"{task.metric} {task.show(figure)}", task.show(task.reference),
        f"{np.median(single):.3f} ms", f"{np.percentile(single, 99):.3f} ms",
        f"{rows / np.median(many) * 1000:,.0f} rows/s", f"{plan.stat().st_size / 2**20:.1f} MiB", f"{load:.1f} ms",
    ]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def print_table(rows):
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows)]
    for row in [COLUMNS, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) if i < 4 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def main(names):
    unknown = set(names) - {task.name for task in datasets.TASKS}
    if unknown or not PENSTOCK.exists():
        sys.exit(f"demo: no model {', '.join(unknown)}; there are {', '.join(task.name for task in datasets.TASKS)}"
                 if unknown else "demo: penstock is not built yet; use ./dev demo")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(task, pathlib.Path(folder)) for task in datasets.TASKS if not names or task.name in names]
    print(f"\n{processor()}, {len(os.sched_getaffinity(0))} threads")
    print_table(rows)
    print("\nreference: ONNX Runtime in FP32 on the same rows. median, p99: latency of one row.\n"
          "throughput: whole batches. Plans are in build/demo; try: build/release/bin/penstock inspect "
          "build/demo/cifar_resnet20.plan")
    say(f"demo: done in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
