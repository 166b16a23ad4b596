#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Model servers side by side on one machine, measured with `penstock load`, as Markdown tables.

An identity model of FP32, with 1 element and with 16 MB, over HTTP (JSON and binary tensors) and gRPC, by one connection and
by several, from `penstock serve` where that command is there, Triton Inference Server (the binary in the PyPI package
nvidia-pytriton, Python backend, dynamic batching) and a FastAPI service on ONNX Runtime. Servers take turns, round by round;
cells are medians of the rounds, and ratios are to the first server of the table. Load and servers share the processor.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from server_peers import start_servers  # noqa: E402  (needs the path above)
from tables import processor, table  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build" / "release" / "bin" / "penstock"
SIZES = {"1 element": 1, "16 MB": 4_000_000}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--servers", nargs="+", default=["penstock", "triton", "fastapi"])
    parser.add_argument("--sizes", nargs="+", choices=[*SIZES], default=[*SIZES])
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM, help="penstock")
    parser.add_argument("--triton-packages", type=pathlib.Path, help="folder with NumPy 1, which Triton's backend wants")
    return parser.parse_args()


def measure(program, server, protocol, elements, connections, seconds):
    """The report of one run of `penstock load`, or None where the server lacks the protocol."""
    address = server.addresses.get(protocol)
    if address is None:
        return None
    # JSON of 16 MB is nobody's measure of a server.
    command = [str(program), "load", address, "--model", "identity", "--shapes", f"x:1x{elements}", "-c", str(connections),
               "-d", str(seconds), "--warmup", "0.5", "--format", "json" if protocol == "HTTP JSON" else "binary",
               "--json", "-q", "--variants", "4" if elements > 1000 else "16"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"server: {server.name}, {protocol}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def ready_endpoint(program, server, seconds):
    command = [str(program), "load", server.addresses["HTTP JSON"], "--path", "/v2/health/ready", "-c", "16", "-d",
               str(seconds), "--warmup", "0.5", "--json", "-q"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def rows_of(name, servers, rounds):
    """A row for each server: its medians, and its rate against the first one's."""
    rows, first = [], None
    for server in servers:
        reports = [report for report in rounds[server.name] if report is not None]
        if not reports:
            continue
        rate = statistics.median(report["rate"] for report in reports)
        first = first or rate
        times = [statistics.median(report["latency_ms"][key] for report in reports) * 1000 for key in ("p50", "p99")]
        failed = sum(report["failed"] for report in reports)
        rows.append([name, server.name, number(rate), f"{rate / first:.2f}", *map(number, times), str(failed)])
    return rows


def main():
    arguments = parse_arguments()
    cases = [(size, protocol, connections) for size in arguments.sizes for protocol in ("HTTP JSON", "HTTP binary", "gRPC")
             for connections in (arguments.connections if size != "16 MB" else [1, 4]) if not (size == "16 MB" and protocol == "HTTP JSON")]
    with tempfile.TemporaryDirectory() as folder, start_servers(arguments, pathlib.Path(folder)) as servers:
        print(f"{processor()}; {', '.join(server.version for server in servers)}; {arguments.rounds} rounds of "
              f"{arguments.seconds:g} s each\n")
        rows = []
        for size, protocol, connections in cases:
            rounds = {server.name: [] for server in servers}
            for _ in range(arguments.rounds):
                for server in servers:
                    rounds[server.name].append(measure(arguments.program, server, protocol, SIZES[size], connections,
                                                       arguments.seconds))
            rows += rows_of(f"{size}, {protocol}, {connections} in flight", servers, rounds)
            print(f"{rows[-1][0]}: done", file=sys.stderr, flush=True)
        rounds = {server.name: [] for server in servers}
        for _ in range(arguments.rounds):
            for server in servers:
                rounds[server.name].append(ready_endpoint(arguments.program, server, arguments.seconds))
        rows += rows_of("GET v2/health/ready, 16 in flight", servers, rounds)
    print(table(["case", "server", "requests/s", "of the first", "median µs", "P99 µs", "failed"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
