# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Operators that are lowered to several nodes compute what NumPy computes. Each test is one model of many nodes."""
import command
import numpy as np
import pytest
from onnx import TensorProto, helper

TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64, np.dtype(bool): TensorProto.BOOL}
RNG = np.random.default_rng(1)


def floats(*shape):
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def check(name, cases, opset):
    """`cases` are (node's operator, inputs, attributes, expected); None is an absent input."""
    nodes, inputs, outputs, expected = [], {}, [], {}
    for i, (operator, operands, attributes, result) in enumerate(cases):
        names = []
        for j, operand in enumerate(operands):
            names.append("" if operand is None else f"x{i}_{j}")
            if operand is not None:
                inputs[names[-1]] = np.asarray(operand)
        nodes.append(helper.make_node(operator, names, [f"y{i}"], f"node{i}", **attributes))
        expected[f"y{i}"] = np.asarray(result)
        outputs.append(helper.make_tensor_value_info(f"y{i}", TYPES[expected[f"y{i}"].dtype], None))
    infos = [helper.make_tensor_value_info(key, TYPES[array.dtype], array.shape) for key, array in inputs.items()]
    model = helper.make_model(helper.make_graph(nodes, name, infos, outputs),
                              opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    command.WORK.mkdir(parents=True, exist_ok=True)
    source, plan = command.WORK / f"{name}.onnx", command.WORK / f"{name}.plan"
    source.write_bytes(model.SerializeToString())
    command.build(source, plan)
    actual = command.run(plan, inputs)
    for i, (operator, _, attributes, _) in enumerate(cases):
        np.testing.assert_allclose(actual[f"y{i}"], expected[f"y{i}"], rtol=1e-4, atol=1e-5,
                                   err_msg=f"{operator} {attributes}", strict=True)


EQUATIONS = {
    "ij->ji": [(2, 3)], "ij->": [(2, 3)], "ii->i": [(3, 3)], "ii": [(3, 3)], "iii->i": [(3, 3, 3)],
    "iji->j": [(3, 2, 3)], "...": [(2, 3)], "i...->...": [(2, 3, 4)], "...ii->...i": [(2, 3, 3)],
    "i,j": [(2,), (3,)], "i,i->": [(3,), (3,)], "ij,ij->ij": [(2, 3), (2, 3)], "ij,ij->i": [(2, 3), (2, 3)],
    "ij,j->i": [(2, 3), (3,)], "j,ij->i": [(3,), (2, 3)], "ik,k->ik": [(2, 3), (3,)], ",ij->ij": [(), (2, 3)],
    "ij,jk->ik": [(2, 3), (3, 4)], "ij,kj->ki": [(2, 3), (4, 3)], "ki,kj->ij": [(3, 2), (3, 4)], "aB,Bc": [(2, 3), (3, 4)],
    " a b , b c -> a c ": [(2, 3), (3, 4)], "ab,cd->dabc": [(2, 3), (4, 5)], "aab,bc->ac": [(2, 2, 3), (3, 4)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)], "bij,bkj": [(2, 3, 4), (2, 5, 4)], "abc,abc->": [(2, 3, 4), (2, 3, 4)],
    "bqhd,bkhd->bhqk": [(2, 3, 2, 4), (2, 5, 2, 4)], "bhqk,bkhd->bqhd": [(2, 2, 3, 5), (2, 5, 2, 4)],
    "...,...": [(2, 3), (3,)], "b...i,bi...->b...": [(2, 3, 4), (2, 4, 3)], "...ij,...jk->...ik": [(2, 1, 3, 4), (5, 4, 2)],
    "...i,...i->...i": [(4, 3), (1, 3)], "ij,jk,kl->il": [(2, 3), (3, 4), (4, 5)],
    "abc,cd,ae->bde": [(2, 3, 4), (4, 5), (2, 6)], "a,a,a->a": [(3,), (3,), (3,)],
}


def test_einsum():
    cases = []
    for equation, shapes in EQUATIONS.items():
        operands = [floats(*shape) for shape in shapes]
        expected = np.asarray(np.einsum(equation, *operands), np.float32)
        cases.append(("Einsum", operands, {"equation": equation}, expected))
    check("einsum", cases, 13)


def attention(q, k, v, visible=None, bias=0.0):
    """softmax(q k^T / sqrt(size) + bias) v, heads of keys shared by groups of queries; rows without keys give 0."""
    groups = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, groups, 1).astype(float), np.repeat(v, groups, 1).astype(float)
    scores = q @ np.swapaxes(k, 2, 3) / np.sqrt(q.shape[3]) + bias
    if visible is not None:
        scores = np.where(visible, scores, -np.inf)
    highest = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(highest), highest, 0))
    total = weights.sum(-1, keepdims=True)
    return (weights / np.where(total == 0, 1, total) @ v).astype(np.float32)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_attention(kv_heads):
    q, k, v = floats(2, 4, 3, 8), floats(2, kv_heads, 5, 8), floats(2, kv_heads, 5, 6)
    i, j = np.arange(3)[:, None], np.arange(5)
    bias, keep = floats(2, 4, 3, 5), RNG.random((3, 5)) < 0.6
    keep[1] = False
    short = RNG.random((2, 1, 3, 4)) < 0.7
    counts = np.array([2, 5])
    there = j < counts[:, None, None, None]
    offset = counts[:, None, None, None] - 3
    cases = [
        ("Attention", [q, k, v], {}, attention(q, k, v)),
        ("Attention", [q, k, v, keep], {}, attention(q, k, v, keep)),
        ("Attention", [q, k, v, bias], {}, attention(q, k, v, bias=bias)),
        ("Attention", [q, k, v, short], {}, attention(q, k, v, np.concatenate([short, short[..., :1] & False], 3))),
        ("Attention", [q, k, v], {"is_causal": 1}, attention(q, k, v, j <= i)),
        ("Attention", [q, k, v, bias], {"is_causal": 1}, attention(q, k, v, j <= i, bias)),
        ("Attention", [q, k, v, None, None, None, counts], {}, attention(q, k, v, there)),
        ("Attention", [q, k, v, keep, None, None, counts], {"is_causal": 1},
         attention(q, k, v, there & keep & (j <= i + offset))),
        ("Attention", [q, k, v], {"left_window_size": 1, "right_window_size": 2},
         attention(q, k, v, (i - j <= 1) & (j - i <= 2))),
    ]
    past_key, past_value = floats(2, kv_heads, 4, 8), floats(2, kv_heads, 4, 6)
    all_keys, all_values = np.concatenate([past_key, k], 2), np.concatenate([past_value, v], 2)
    visible = np.arange(9) <= i + 4
    cases.append(("Attention", [q, k, v, None, past_key, past_value], {"is_causal": 1},
                  attention(q, all_keys, all_values, visible)))
    square_k, square_v = np.concatenate([past_key, k[:, :, :3]], 2), np.concatenate([past_value, v[:, :, :3]], 2)
    cases.append(("Attention", [q, k[:, :, :3], v[:, :, :3], None, past_key, past_value], {"is_causal": 1},
                  attention(q, square_k, square_v, np.arange(7) <= i + 4)))
    check(f"attention{kv_heads}", cases, 25)


def test_axes_that_come_with_the_run():
    x = floats(1, 3, 1, 2)
    cases = []
    for axes in ([0], [-2], [0, 2], [-4, -2]):
        cases.append(("Squeeze", [x, np.array(axes)], {}, np.squeeze(x, tuple(axes))))
    for axes in ([0], [-1], [1, -2], [5, 0], [2, 1, 4]):
        cases.append(("Unsqueeze", [x, np.array(axes)], {}, np.expand_dims(x, tuple(axes))))
    check("axes", cases, 21)


def center(x, shape):
    for axis, extent in enumerate(shape):
        cut = max(x.shape[axis] - extent, 0)
        x = np.take(x, np.arange(cut // 2, cut // 2 + min(extent, x.shape[axis])), axis)
        add = extent - x.shape[axis]
        x = np.pad(x, [(add // 2, add - add // 2) if i == axis else (0, 0) for i in range(x.ndim)])
    return x


def test_center_crop_pad():
    x = floats(5, 8, 3)
    shapes = [(5, 8, 3), (2, 9, 3), (6, 5, 6), (1, 1, 8)]
    check("center", [("CenterCropPad", [x, np.array(shape)], {}, center(x, shape)) for shape in shapes], 18)


def test_windows_and_transforms():
    cases = []
    for size in (8, 9):
        for periodic in (0, 1):
            t = 2 * np.pi * np.arange(size) / (size - 1 + periodic)
            sums = {"HannWindow": 0.5 - 0.5 * np.cos(t), "HammingWindow": (25 - 21 * np.cos(t)) / 46,
                    "BlackmanWindow": 0.42 - 0.5 * np.cos(t) + 0.08 * np.cos(2 * t)}
            for operator, expected in sums.items():
                cases.append((operator, [np.array(size)], {"periodic": periodic}, expected.astype(np.float32)))
    x = floats(2, 15, 3, 2)
    spectrum = np.fft.fft(x[..., 0] + 1j * x[..., 1], axis=1)
    cases.append(("DFT", [x, None, np.array(1)], {}, np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)))
    signal = floats(1, 20, 1)
    frames = np.stack([signal[0, k:k + 8, 0] * np.hanning(8) for k in range(0, 13, 4)]).astype(np.float32)
    expected = np.fft.rfft(frames)
    cases.append(("STFT", [signal, np.array(4), np.hanning(8).astype(np.float32)], {},
                  np.stack([expected.real, expected.imag], -1)[None].astype(np.float32)))
    check("signal", cases, 20)


def test_a_difference_is_found():
    with pytest.raises(AssertionError):
        check("differs", [("Neg", [np.ones(3, np.float32)], {}, np.ones(3, np.float32))], 13)
