# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What a plan is to record of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _numbers(what: str, value: Any) -> list[float]:
    try:
        return [float(x) for x in (value if hasattr(value, "__len__") else (value,))]
    except (TypeError, ValueError):
        raise TypeError(f"{what}: expected numbers, got {value!r}") from None


def _pair(what: str, value: Any) -> tuple[Any, Any]:
    try:
        first, second = value
    except (TypeError, ValueError):
        raise TypeError(f"{what}: expected two of them, got {value!r}") from None
    return first, second


def contract_items(
    ranges: Mapping[str, tuple[float, float]], normalization: Mapping[str, tuple[Any, Any]]
) -> list[tuple[str, float, float, list[float], list[float]]]:
    """Name, smallest and largest element, mean and standard deviation of each input of the two dictionaries."""
    items = []
    for name in {**ranges, **normalization}:
        mean: list[float] = []
        deviation: list[float] = []
        if name in normalization:
            what = f"input_normalization of '{name}'"
            given = _pair(f"{what}, mean and standard deviation", normalization[name])
            mean, deviation = (_numbers(what, numbers) for numbers in given)
            if len(mean) != len(deviation) or not all(x > 0 for x in deviation):
                raise ValueError(f"{what}: expected a standard deviation above 0 for each mean")
        if name in ranges:
            low, high = _numbers(f"input_ranges of '{name}'", _pair(f"input_ranges of '{name}'", ranges[name]))
        else:
            low = min(-m / d for m, d in zip(mean, deviation))
            high = max((1 - m) / d for m, d in zip(mean, deviation))
        items.append((name, low, high, mean, deviation))
    return items
