#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Contexts side by side, as Markdown tables: several of one model against one, and two models against turns.

Each model is built twice at batch 1: for a run alone, and for as many contexts as run (--concurrent-contexts). End to end
means from page-locked memory of the host and back, each run waited for, a thread for each context. A pair of models runs as
two contexts that would take equally long alone; above 1, they do more than by turns.
"""
import argparse
import json
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from engines import PENSTOCK, penstock  # noqa: E402  (needs the path above)

PROGRAM = pathlib.Path(PENSTOCK).with_name("penstock_concurrency_bench")
LINE = re.compile(r"(?P<way>.*): (?P<contexts>\d+) contexts?: (?P<rate>\d+) runs/s, (?P<ratio>[\d.]+)x of one")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path, help="ONNX files, each against itself")
    parser.add_argument("--pair", nargs=2, type=pathlib.Path, metavar="MODEL", help="two ONNX files, against turns")
    parser.add_argument("--pair-batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--contexts", type=int, default=8)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--precision", default="fp16", choices=["fp16", "bf16", "fp32"])
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--timing-cache", type=pathlib.Path, help="of the builds; kept")
    return parser.parse_args()


def shapes(onnx, batch, extent=128):
    """The model's input shapes: the first extent that varies is the batch, others are `extent`."""
    parts = []
    for tensor in json.loads(penstock("inspect", onnx, "--json"))["inputs"]:
        extents = [size if isinstance(size, int) else batch if i == 0 else extent for i, size in enumerate(tensor["shape"])]
        parts.append(f"{tensor['name']}:{'x'.join(map(str, extents))}")
    return ",".join(parts)


def build(onnx, plan, batch, arguments, contexts=1):
    given = shapes(onnx, batch)
    cache = ["--timing-cache", arguments.timing_cache] if arguments.timing_cache else []
    precision = [] if arguments.precision == "fp32" else [f"--{arguments.precision}"]
    penstock("build", onnx, "-o", plan, "--device", arguments.device, "-q", "--min-shapes", given, "--opt-shapes", given,
             "--max-shapes", given, "--concurrent-contexts", contexts, *precision, *cache)
    return plan


def program(*words):
    import subprocess
    done = subprocess.run([str(PROGRAM), *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"concurrency: {done.stderr.strip()}")
    return done.stdout


def measure_models(arguments, folder):
    lines = [f"| model, batch 1 | tuned for | how | one context /s | {arguments.contexts} contexts /s | ratio |",
             "| --- | ---: | --- | ---: | ---: | ---: |"]
    for onnx in arguments.models:
        for tuned in (1, arguments.contexts):
            plan = build(onnx, folder / "model.plan", 1, arguments, tuned)
            found = [LINE.fullmatch(line) for line in program("--contexts", arguments.contexts, "--seconds", arguments.seconds,
                                                              plan).splitlines()]
            rates = {(each["way"], int(each["contexts"])): float(each["rate"]) for each in found if each}
            for way in dict.fromkeys(way for way, _ in rates):
                one, many = rates[way, 1], rates[way, arguments.contexts]
                lines.append(f"| {onnx.stem} | {tuned} | {way} | {one:.0f} | {many:.0f} | {many / one:.2f} |")
    return lines


def measure_pair(arguments, folder):
    lines = []
    for batch in arguments.pair_batches:
        for tuned in (1, 2):
            plans = [build(onnx, folder / f"{i}.plan", batch, arguments, tuned) for i, onnx in enumerate(arguments.pair)]
            said = program("--pair", "--seconds", arguments.seconds, *plans).strip()
            lines.append(f"- {' and '.join(onnx.stem for onnx in arguments.pair)}, batch {batch}, tuned for {tuned}: {said}")
    return lines


def run(arguments):
    with tempfile.TemporaryDirectory() as folder:
        lines = measure_models(arguments, pathlib.Path(folder)) if arguments.models else []
        if arguments.pair:
            lines += ["", *measure_pair(arguments, pathlib.Path(folder))]
    return "\n".join(lines)


if __name__ == "__main__":
    print(run(parse_arguments()))
