# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Runs the penstock program for the tests."""
import os
import pathlib
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ.get("PENSTOCK_BIN", "build/release/bin"))
PENSTOCK = str((ROOT / BIN).resolve() / "penstock")
WORK = ROOT / "build" / "tests"


def penstock(*arguments, exit_code=0, **options):
    """Runs the program, checks its exit code, and gives the finished process with both streams as text."""
    command = [PENSTOCK, *map(str, arguments)]
    options.setdefault("timeout", 600)
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == exit_code, (
        f"penstock {' '.join(map(str, arguments))}: exit code {done.returncode}, not {exit_code}\n"
        f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done


def build(onnx, plan, *options, level=1):
    """Builds quickly, sharing one timing cache among the tests; penstock's words come back."""
    WORK.mkdir(parents=True, exist_ok=True)
    cache = [] if "--timing-cache" in options else ["--timing-cache", WORK / "timing.cache"]
    return penstock("build", onnx, "-o", plan, "--opt-level", level, "-q", *cache, *options).stdout


def run(plan, inputs, *options):
    """Runs a plan on arrays and gives {output: array}."""
    with tempfile.TemporaryDirectory() as folder:
        for name, array in inputs.items():
            np.save(pathlib.Path(folder) / f"{name}.npy", array)
        named = [f"--input={name}={folder}/{name}.npy" for name in inputs]
        penstock("run", plan, *named, "--output-dir", f"{folder}/out", *options)
        return {path.stem: np.load(path) for path in pathlib.Path(folder, "out").glob("*.npy")}
