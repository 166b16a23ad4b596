#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""One engine, shared by threads: each has a context of its own, and the weights are there once."""
import concurrent.futures
import pathlib
import sys
import threading

import numpy as np

import penstock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
import datasets  # noqa: E402  (needs the path above)
import unpack  # noqa: E402

THREADS = 2


def row_major(inputs):
    """Images were decoded to other strides; a run reads arrays where they are, in row-major order."""
    return {name: np.ascontiguousarray(array) for name, array in inputs.items()}


def main():
    onnx_path = unpack.unpack_model("cifar_resnet20", ROOT / "build" / "models")
    engine = penstock.Engine(penstock.build(onnx_path, threads=1, optimization_level=1))
    mine = threading.local()

    def classify(inputs):
        if not hasattr(mine, "context"):
            mine.context = engine.create_context()
        return mine.context.run(row_major(inputs))["logits"]  # other threads run meanwhile

    batches, labels = datasets.cifar_images(20)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        logits = np.concatenate(list(pool.map(classify, batches)))
    print(f"{len(batches)} batches on {THREADS} threads: {datasets.share_right(logits, labels):.2%} right, "
          f"{engine.weight_bytes / 2**20:.1f} MiB of weights")


if __name__ == "__main__":
    main()
