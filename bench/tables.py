# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Turns the measurements of compare.py into Markdown."""
import dataclasses
import importlib.metadata
import math
import os
import pathlib
import statistics


@dataclasses.dataclass
class Results:
    latencies: list = dataclasses.field(default_factory=list)  # (model, batch, {engine: [round medians]})
    loads: list = dataclasses.field(default_factory=list)  # (model, {"cold", "warm", "load", "session"})
    streams: list = dataclasses.field(default_factory=list)  # (model, {streams: rate})
    left_out: list = dataclasses.field(default_factory=list)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def version(package):
    return f"{package} {importlib.metadata.version(package)}"


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def cell(rounds):
    """Median over the rounds, and half the distance between the slowest and the fastest round."""
    middle = statistics.median(rounds)
    spread = (max(rounds) - min(rounds)) / 2 / middle * 100
    return f"{number(middle)} ±{spread:.0f} %"


def ratio(rounds, peer):
    return statistics.median(rounds[peer]) and statistics.median(rounds["penstock"]) / statistics.median(rounds[peer])


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latency_table(latencies, peers):
    head = ["model", "batch", "penstock ms", *(f"{peer} ms" for peer in peers), *(f"ratio to {peer}" for peer in peers)]
    rows = [[name, str(batch), *(cell(rounds[engine]) for engine in ["penstock", *peers]),
             *(f"{ratio(rounds, peer):.2f}" for peer in peers)] for name, batch, rounds in latencies]
    means = [f"**{geometric_mean([ratio(rounds, peer) for _, _, rounds in latencies]):.2f}**" for peer in peers]
    if means:
        rows.append(["**geometric mean**", "", "", *([""] * len(peers)), *means])
    return table(head, rows)


def load_table(loads):
    head = ["model", "build, cold", "build, timing cache", "load", "ONNX Runtime session"]
    return table(head, [[name, f"{times['cold']:.1f} s", f"{times['warm']:.1f} s", f"{times['load']:.1f} ms",
                         "-" if times["session"] is None else f"{times['session']:.0f} ms"] for name, times in loads])


def stream_table(streams):
    head = ["model", "one context /s", "two contexts /s", "ratio"]
    return table(head, [[name, number(rates[1]), number(rates[2]), f"{rates[2] / rates[1]:.2f}"]
                        for name, rates in streams])


def render(results, arguments):
    """The whole page."""
    parts = [f"{processor()}, {len(os.sched_getaffinity(0))} processors. FP32. "
             f"{', '.join(map(version, arguments.peers)) or 'No peers'}. {arguments.rounds} rounds of "
             f"{arguments.seconds:g} s, the engines taking turns; ± is half the range of the rounds' medians."]
    if results.latencies:
        parts += [f"### Latency, {arguments.threads} threads, text of {arguments.sequence} tokens",
                  latency_table(results.latencies, arguments.peers)]
    if results.loads:
        parts += [f"### Build and load, {arguments.threads} threads", load_table(results.loads)]
    if results.streams:
        parts += ["### Contexts side by side, one thread each, batch 1", stream_table(results.streams)]
    parts += [f"Left out: {text}." for text in results.left_out]
    return "\n\n".join(parts)
