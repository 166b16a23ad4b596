#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The ONNX backend suite, counted for Penstock and ONNX Runtime, with what fails here by reason.

Both go through ONNX's own runner, with its comparison and tolerances. --write-expected replaces
tests/onnx_suite_expected.txt by what fails now: review its diff.
"""
import argparse
import collections
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]
sys.dont_write_bytecode = True

import onnx_suite  # noqa: E402  (needs the path above)

ENGINES = ["penstock", "onnxruntime"]
CASES_SHOWN = 4


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="", help="only the cases whose names this regular expression finds")
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--processes", type=int, help="default: one for each processor")
    parser.add_argument("--write-expected", action="store_true")
    arguments = parser.parse_args()
    if arguments.write_expected and (arguments.pattern or "penstock" not in arguments.engines):
        parser.error("--write-expected needs all cases of penstock")
    return arguments


def reasons_of(results):
    groups = collections.defaultdict(list)
    for name, reason in sorted(results.items()):
        if reason is not None:
            groups[onnx_suite.category(reason)].append(name)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def table(results):
    lines = ["| engine | cases | pass | fail | pass |", "|---|---:|---:|---:|---:|"]
    for engine, cases in results.items():
        passed = sum(reason is None for reason in cases.values())
        lines.append(f"| {engine} | {len(cases)} | {passed} | {len(cases) - passed} | {passed / len(cases):.1%} |")
    return "\n".join(lines)


def failures(engine, cases):
    lines = [f"Failures of {engine}, by reason:"]
    for reason, names in reasons_of(cases):
        more = "" if len(names) <= CASES_SHOWN else f" and {len(names) - CASES_SHOWN} more"
        lines.append(f"  {len(names):4}  {reason}\n        {' '.join(names[:CASES_SHOWN])}{more}")
    return "\n".join(lines)


def main():
    arguments = parse_arguments()
    results = {}
    for engine in arguments.engines:
        print(f"-- {engine}", file=sys.stderr, flush=True)
        results[engine] = onnx_suite.run_suite(engine, arguments.pattern, arguments.processes)
    for engine, cases in results.items():
        print(failures(engine, cases) + "\n")
    print(table(results))
    if arguments.write_expected:
        onnx_suite.write_expected(results["penstock"])


if __name__ == "__main__":
    main()
