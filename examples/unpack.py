#!/usr/bin/env python3
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Writes the models of examples/models as ordinary ONNX files.

usage: unpack.py [--pack MODEL.onnx MODEL.onnx16 | OUT_DIR [NAME ...]]

A model is stored as `model.onnx16`: the ONNX file with its large FP32 weights held as float16, half the size.
The weights are exactly representable in float16, so the unpacked model is the original. A file that is up to
date is left alone.
"""
import os
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

MODELS = pathlib.Path(__file__).resolve().parent / "models"
MARK = "stored as float16"  # stands in the tensor's doc_string
SMALL = 64  # tensors up to this many elements stay as they are


def names():
    return sorted(path.parent.name for path in MODELS.glob("*/model.onnx16"))


def save(model, target):
    """Appears under its name only when complete."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        onnx.save(model, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def halve(tensor):
    values = numpy_helper.to_array(tensor)
    half = values.astype(np.float16)
    if values.size > SMALL and np.array_equal(half.astype(np.float32), values):
        tensor.ClearField("float_data")
        tensor.raw_data, tensor.data_type, tensor.doc_string = half.tobytes(), TensorProto.FLOAT16, MARK


def restore(tensor):
    values = np.frombuffer(tensor.raw_data, np.float16).astype(np.float32)
    tensor.raw_data, tensor.data_type, tensor.doc_string = values.tobytes(), TensorProto.FLOAT, ""


def pack(source, target):
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            halve(tensor)
    save(model, pathlib.Path(target))


def unpack(source, target):
    model = onnx.load_model_from_string(source.read_bytes())
    for tensor in model.graph.initializer:
        if tensor.doc_string == MARK:
            restore(tensor)
    save(model, target)


def unpack_model(name, folder):
    """The path of the FP32 ONNX file of a shipped model, written where it is missing or older than its source."""
    source = MODELS / name / "model.onnx16"
    if not source.exists():
        raise SystemExit(f"unpack: no model '{name}'; there are {', '.join(names())}")
    target = pathlib.Path(folder) / f"{name}.onnx"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        unpack(source, target)
    return target


def main(arguments):
    if arguments[:1] == ["--pack"] and len(arguments) == 3:
        pack(*arguments[1:])
    elif arguments and not arguments[0].startswith("-"):
        for name in arguments[1:] or names():
            print(unpack_model(name, arguments[0]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
