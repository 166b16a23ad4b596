#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Builds an image classifier, saves its plan, and runs it on 1,000 images in batches.

usage: classify.py [PLAN]
"""
import pathlib
import sys

import numpy as np

import penstock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
import datasets  # noqa: E402  (needs the path above)
import unpack  # noqa: E402


def row_major(inputs):
    """Images were decoded to other strides; a run reads arrays where they are, in row-major order."""
    return {name: np.ascontiguousarray(array) for name, array in inputs.items()}


def main(plan_path):
    onnx_path = unpack.unpack_model("cifar_resnet20", ROOT / "build" / "models")
    # Tuned for 100 images at once, right for 1 to 100.
    profile = penstock.Profile(opt={"images": (100, 3, 32, 32)}, max={"images": (100, 3, 32, 32)})
    plan = penstock.build(onnx_path, profile=profile, optimization_level=1)
    plan.save(plan_path)
    print(f"{plan.summary.onnx_nodes} ONNX nodes became {plan.summary.kernels} kernels")

    context = penstock.Engine(plan_path).create_context()
    batches, labels = datasets.cifar_images(100)
    logits = np.concatenate([context.run(row_major(inputs))["logits"] for inputs in batches])
    print(f"{datasets.share_right(logits, labels):.2%} of {len(labels)} images right")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "classify.plan")
