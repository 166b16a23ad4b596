# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Casts of the types that NumPy lacks, on every value that float16 has, against ml_dtypes; their .npy files on the way."""
import ml_dtypes
import numpy as np
import pytest
from command import build, run
from onnx import TensorProto, helper

FLOAT8 = {"FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn, "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
          "FLOAT8E5M2": ml_dtypes.float8_e5m2, "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz}
INTEGERS = {"INT4": ml_dtypes.int4, "UINT4": ml_dtypes.uint4, "INT2": ml_dtypes.int2, "UINT2": ml_dtypes.uint2}
SMALL = {**FLOAT8, **INTEGERS, "FLOAT4E2M1": ml_dtypes.float4_e2m1fn, "FLOAT8E8M0": ml_dtypes.float8_e8m0fnu}

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def cast(folder, array, source, target, **attributes):
    """The array through a plan of one Cast, as raw elements."""
    node = helper.make_node("Cast", ["x"], ["y"], "cast", to=getattr(TensorProto, target), **attributes)
    graph = helper.make_graph([node], "cast", [helper.make_tensor_value_info("x", getattr(TensorProto, source), ["n"])],
                              [helper.make_tensor_value_info("y", getattr(TensorProto, target), ["n"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=11)
    (folder / "cast.onnx").write_bytes(model.SerializeToString())
    build(folder / "cast.onnx", folder / "cast.plan", level=0)
    return run(folder / "cast.plan", {"x": array})["y"]


def same(actual, expected):
    """Equal values, NaN with NaN, and zeros of one sign."""
    a, e = actual.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_array_equal(a, e)
    zeros = e == 0
    np.testing.assert_array_equal(np.signbit(a[zeros]), np.signbit(e[zeros]))


@pytest.mark.parametrize("name", FLOAT8)
@pytest.mark.parametrize("saturate", [1, 0])
def test_float16_to_float8(tmp_path, name, saturate):
    dtype = FLOAT8[name]
    x = HALVES.astype(np.float32)
    if saturate:
        largest = float(ml_dtypes.finfo(dtype).max)
        x = np.where(np.isnan(x), x, np.clip(x, -largest, largest))
    same(cast(tmp_path, HALVES, "FLOAT16", name, saturate=saturate).view(dtype), x.astype(dtype))


@pytest.mark.parametrize("source", ["FLOAT", "DOUBLE", "BFLOAT16"])
def test_other_floats_to_float8(tmp_path, source):
    dtypes = {"FLOAT": np.float32, "DOUBLE": np.float64, "BFLOAT16": ml_dtypes.bfloat16}
    x = HALVES.astype(np.float32).astype(dtypes[source])
    y = cast(tmp_path, x, source, "FLOAT8E4M3FN", saturate=0)
    same(y.view(ml_dtypes.float8_e4m3fn), x.astype(np.float32).astype(ml_dtypes.float8_e4m3fn))


def test_float16_to_float4(tmp_path):
    x = HALVES[~np.isnan(HALVES)]
    y = cast(tmp_path, x, "FLOAT16", "FLOAT4E2M1")
    same(y.view(ml_dtypes.float4_e2m1fn), x.astype(np.float32).astype(ml_dtypes.float4_e2m1fn))


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_keep_their_low_bits(tmp_path, name):
    x = np.arange(-200, 200, dtype=np.int16)
    y = cast(tmp_path, x, "INT16", name)
    np.testing.assert_array_equal(y.view(INTEGERS[name]).astype(np.int16), x.astype(INTEGERS[name]).astype(np.int16))


@pytest.mark.parametrize("mode, exponent", [("down", np.floor), ("up", np.ceil)])
def test_powers_of_two(tmp_path, mode, exponent):
    x = HALVES[(HALVES > 0) & np.isfinite(HALVES)]
    y = cast(tmp_path, x, "FLOAT16", "FLOAT8E8M0", round_mode=mode)
    same(y.view(ml_dtypes.float8_e8m0fnu), np.exp2(exponent(np.log2(x.astype(np.float64)))))


@pytest.mark.parametrize("name", SMALL)
def test_every_small_value_as_float(tmp_path, name):
    bits = {"4": 4, "2": 2}.get(name[-1] if name in INTEGERS else name[5], 8)
    x = np.arange(1 << bits, dtype=np.uint8).view(SMALL[name])
    same(cast(tmp_path, x, name, "FLOAT"), x)


def test_bfloat16_files(tmp_path):
    x = np.array([1, -2.5, 3e38], ml_dtypes.bfloat16)
    y = cast(tmp_path, x, "BFLOAT16", "BFLOAT16")
    np.testing.assert_array_equal(y.view(np.uint16), x.view(np.uint16))
