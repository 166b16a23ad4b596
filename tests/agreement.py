# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Do two sets of outputs agree?"""
import numpy as np

RELATIVE = 1e-4  # of the output's largest absolute value, in FP32


def check_output(name, actual, expected):
    """Same type and shape; floats within RELATIVE of the largest expected value, all else equal."""
    assert actual.dtype == expected.dtype, name
    assert actual.shape == expected.shape, name
    if expected.dtype.kind != "f":
        assert np.array_equal(actual, expected), f"{name}: integers differ"
        return
    assert np.array_equal(np.isfinite(actual), np.isfinite(expected)), f"{name}: NaN or infinity in one only"
    finite = np.isfinite(expected)
    largest = np.abs(expected[finite]).max(initial=0)
    worst = np.abs(actual[finite] - expected[finite]).max(initial=0)
    assert worst <= RELATIVE * largest, f"{name}: differs by {worst:.3g}, the largest value is {largest:.3g}"


def check_outputs(actual, expected):
    assert actual.keys() == expected.keys()
    for name in expected:
        check_output(name, actual[name], expected[name])


def detections(outputs):
    """Rows of label, score and box."""
    return np.column_stack([outputs["labels"], outputs["scores"], outputs["boxes"]]).astype(np.float64)


def share_found(wanted, among, tolerance):
    """The share of the wanted rows that have a row of the same label within the tolerance of each column."""
    found = 0
    for row in wanted:
        near = np.all(np.abs(among - row) <= tolerance, axis=1)
        found += bool(near.any())
    return found / max(1, len(wanted))


def check_detections(actual, expected):
    """Detections as sets. Suppression and top-k cut at scores, and rounding may swap the order of equal ones or move
    one across a cut: so of each side 99 in 100 must be found on the other, with score and box within RELATIVE."""
    ours, theirs = detections(actual), detections(expected)
    tolerance = RELATIVE * np.abs(theirs).max(axis=0)
    tolerance[0] = 0
    assert abs(len(ours) - len(theirs)) <= 0.01 * len(theirs)
    assert share_found(theirs, ours, tolerance) >= 0.99
    assert share_found(ours, theirs, tolerance) >= 0.99
