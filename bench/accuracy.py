#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What lower precisions lose on whole test sets, and what they gain, as a Markdown table.

Each model is built in float32, in 16 bits, in INT8 by calibration alone and by a search within its budget. Losses are against
float32 of the same engine on the same samples; speed is the ratio of float32's latency to the other's, the two taking turns,
median of the rounds. --verbose prints the commands of each row.
usage: accuracy.py [--models NAME,...] [--precisions fp16,int8,search] [--rounds N] [--seconds S] [--verbose]
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / folder) for folder in ("tools/models", "examples")]

import accuracy_data  # noqa: E402
import catalog  # noqa: E402

BIN = pathlib.Path(os.environ.get("PENSTOCK_BIN", ROOT / "build" / "release" / "bin")).resolve()
WORK = ROOT / "build" / "accuracy"


class Failed(Exception):
    """A command went wrong; the text is its last words."""


def penstock(arguments, options):
    command = [str(BIN / "penstock"), *map(str, arguments)]
    if options.verbose:
        print("$", shlex.join(command), file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed((done.stderr or done.stdout).strip().splitlines()[-1])
    return done.stdout


def build(case, plan, extra, options):
    _, calibration = accuracy_data.write(case, WORK)
    int8 = ["--int8", "--calib", calibration, "--calib-batch-size", case.calibration_batch] if "--int8" in extra else []
    return penstock(["build", catalog.path_of(case.name), "-o", plan, "-q", "--device", "cpu", "--timing-cache",
                     WORK / "timing.cache", "--opt-shapes", case.shapes, "--opt-level", options.level,
                     *int8, *(each for each in extra if each != "--int8")], options)


def latency(plan, options):
    text = penstock(["bench", plan, "--duration", options.seconds, "--iterations", 5], options)
    return float(re.search(r"Latency: .*?median = ([\d.e+-]+) ms", text)[1])


def speed(plan, reference, options):
    """How many times as fast as the reference, and the range of the rounds."""
    ratios = []
    for _ in range(options.rounds):
        theirs = latency(reference, options)
        ratios.append(theirs / latency(plan, options))
    return statistics.median(ratios), min(ratios), max(ratios)


def judge(case, plan, reference, options):
    test, _ = accuracy_data.write(case, WORK)
    return json.loads(penstock(["accuracy", plan, "--data", test, "--metric", case.metric, "--against", reference, "--json",
                                "--batch-size", case.batch], options))


def row(case, precision, plan, reference, budget, options, note=""):
    found = judge(case, plan, reference, options)
    ratio, least, most = speed(plan, reference, options)
    digits = 4 if case.metric == "auc" else 2
    print(f"| {case.title} | {case.metric} | {precision} | {found['figure']:.{digits}f} | {found['loss']:.{digits}f} | "
          f"{budget:g} | {'yes' if found['loss'] <= budget + 1e-9 else 'NO'} | {ratio:.2f} ({least:.2f}-{most:.2f}) | {note} |",
          flush=True)


def run_case(case, options):
    WORK.mkdir(parents=True, exist_ok=True)
    test, _ = accuracy_data.write(case, WORK)
    reference = WORK / f"{case.name}.fp32.plan"
    build(case, reference, [], options)
    figure = json.loads(penstock(["accuracy", reference, "--data", test, "--metric", case.metric, "--json",
                                  "--batch-size", case.batch], options))["figure"]
    print(f"| {case.title} | {case.metric} | FP32 | {figure:.{4 if case.metric == 'auc' else 2}f} | | | | 1 | |", flush=True)
    for precision in options.precisions:
        plan = WORK / f"{case.name}.{precision}.plan"
        if precision in ("fp16", "bf16"):
            build(case, plan, [f"--{precision}"], options)
            row(case, precision.upper(), plan, reference, case.half_budget, options)
        elif precision == "int8":
            build(case, plan, ["--int8", "--calib-method", case.method], options)
            row(case, f"INT8, {case.method}", plan, reference, case.budget, options)
        else:
            text = build(case, plan, ["--int8", "--calib-method", case.method, "--accuracy-data", test, "--accuracy-budget",
                                      f"{case.metric}<={case.budget:g}", "--report", WORK / f"{case.name}.html",
                                      "--batch-size", case.batch, "--search-trials", options.trials], options)
            note = re.search(rf"{re.escape(str(plan))}: (.*)", text)[1]
            row(case, "INT8, search", plan, reference, case.budget, options, note)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [case.name for case in accuracy_data.CASES]
    parser.add_argument("--models", default=",".join(names))
    parser.add_argument("--precisions", default="fp16,int8,search")
    parser.add_argument("--level", type=int, default=3, help="of optimisation")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.precisions = [each for each in options.precisions.split(",") if each]
    print("| model | metric | precision | figure | lost | budget | within | times as fast as FP32 | search |")
    print("| --- | --- | --- | ---: | ---: | ---: | --- | ---: | --- |", flush=True)
    failed = False
    for name in options.models.split(","):
        if name not in names:
            sys.exit(f"accuracy: no model '{name}'; there are {', '.join(names)}")
        case = next(each for each in accuracy_data.CASES if each.name == name)
        try:
            run_case(case, options)
        except (Failed, catalog.Missing) as problem:
            print(f"accuracy: {name}: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
