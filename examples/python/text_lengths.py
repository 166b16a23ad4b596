#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""A text model on sentences of different lengths: one plan, any batch and length.

Arrays are bound once for each shape and then read and written in place.
"""
import pathlib
import sys

import numpy as np

import penstock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
import datasets  # noqa: E402  (needs the path above)
import unpack  # noqa: E402


def main():
    onnx_path = unpack.unpack_model("minilm_sentiment", ROOT / "build" / "models")
    names = ("input_ids", "attention_mask", "token_type_ids")
    profile = penstock.Profile(opt={name: (1, 32) for name in names})
    engine = penstock.Engine(penstock.build(onnx_path, profile=profile, optimization_level=1))
    for tensor in engine.inputs + engine.outputs:
        print(f"{tensor.name}: {tensor.dtype}[{', '.join(tensor.dims)}]")

    context = engine.create_context()
    (output,) = engine.outputs
    for batch, length in ((1, 8), (4, 16), (2, 40)):
        tokens = np.random.default_rng(0).integers(1000, 2000, (batch, length))
        for name, array in datasets.pad_sentences(tokens.tolist()).items():
            context.set_input(name, array)
        logits = np.empty(context.shape(output.name), output.dtype)
        context.set_output(output.name, logits)
        context.execute()
        print(f"{batch} sentences of {length} tokens: {output.name} {logits.shape}")


if __name__ == "__main__":
    main()
