#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Penstock, ONNX Runtime and OpenVINO side by side, as a Markdown table of medians, spreads and ratios.

The engines take turns: a round of each, then the next round, so that a busy moment of the machine meets all of
them. Each round rotates several random inputs. A ratio below 1 means that Penstock is faster.
"""
import argparse
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools" / "models"), str(ROOT / "bench")]
sys.dont_write_bytecode = True

import catalog  # noqa: E402  (needs the path above)
import engines  # noqa: E402
import tables  # noqa: E402

DEFAULT_MODELS = catalog.names("zoo") + ["ctr_donation", "minilm_sentiment", "cifar_resnet20"]
FIXED_BATCH = "nothing"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help=f"by name (default: {' '.join(DEFAULT_MODELS)})")
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--sequence", type=int, default=128, help="tokens of text inputs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each engine in each round")
    parser.add_argument("--peers", nargs="*", default=["onnxruntime", "openvino"], choices=["onnxruntime", "openvino"])
    parser.add_argument("--parts", nargs="+", default=["latency", "load", "streams"],
                        choices=["latency", "load", "streams"])
    parser.add_argument("--output", type=pathlib.Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.models if name not in catalog.MODELS]
    if unknown:
        parser.error(f"no model {', '.join(unknown)}; there are {', '.join(catalog.MODELS)}")
    return arguments


def say(text):
    print(f"-- {text}", file=sys.stderr, flush=True)


def rounds_of(runners, rounds, seconds):
    """{engine: [median of each round]}, the engines taking turns."""
    medians = {runner.name: [] for runner in runners}
    for _ in range(rounds):
        for runner in runners:
            medians[runner.name].append(runner.round(seconds))
    return medians


def measure_latency(name, onnx, arguments, rows, folder):
    """One row of the latency table for each batch."""
    batches = [1] if catalog.MODELS[name].varies == FIXED_BATCH else arguments.batch
    for batch in batches:
        inputs = [catalog.make_inputs(name, batch, arguments.sequence, seed) for seed in range(4)]
        runners = engines.start(onnx, inputs, arguments.threads, arguments.peers, folder)
        say(f"{name}, batch {batch}: {', '.join(runner.name for runner in runners)}")
        rows.append((name, batch, rounds_of(runners, arguments.rounds, arguments.seconds)))


def measure(arguments):
    results = tables.Results()
    names = arguments.models or DEFAULT_MODELS
    for name in names:
        try:
            onnx = catalog.path_of(name)
        except catalog.Missing as missing:
            say(f"left out: {missing}")
            results.left_out.append(str(missing))
            continue
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as text:
            folder = pathlib.Path(text)
            inputs = catalog.make_inputs(name, 1, arguments.sequence)
            if "load" in arguments.parts:
                say(f"{name}: build cold, build with the cache, load")
                results.loads.append((name, engines.load_times(onnx, inputs, arguments.threads, folder)))
            if "latency" in arguments.parts:
                measure_latency(name, onnx, arguments, results.latencies, folder)
            if "streams" in arguments.parts:
                say(f"{name}: one context, two contexts")
                results.streams.append((name, engines.stream_rates(onnx, inputs, arguments, folder)))
    return results


def main():
    arguments = parse_arguments()
    (ROOT / "build").mkdir(exist_ok=True)
    if not engines.PENSTOCK.exists():
        sys.exit("compare: penstock is not built yet; use ./dev bench")
    for peer in list(arguments.peers):
        if why := engines.why_not(peer):
            say(f"without {peer}: {why}")
            arguments.peers.remove(peer)
    text = tables.render(measure(arguments), arguments)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
