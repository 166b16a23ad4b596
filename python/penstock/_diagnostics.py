# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""inspect() and compare(): what a model or plan holds, and whether a plan is right."""
from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from penstock import _arguments, _build, _penstock

_PLAN_MARK = b"PENSTOCK"


def inspect(source: str | os.PathLike[str] | _penstock.Plan | bytes | Any, *,
            external_data: str | os.PathLike[str] = "") -> dict[str, Any]:
    """Facts of a plan or a model: inputs, outputs, profile, memory, and every layer with its tactic and candidates.

    source: a Plan, an onnx.ModelProto, the bytes of either's file, or a path (MODEL.onnx, else a plan). What the
    dictionary holds is what `penstock inspect --json` prints.
    """
    if not isinstance(source, _penstock.Plan):
        source = _arguments.model_source(source, "source")
    if isinstance(source, bytes) and source.startswith(_PLAN_MARK):
        source = _penstock.Plan(source)
    is_model = isinstance(source, str) and source.endswith(".onnx")
    return json.loads(_penstock._inspect(source, is_model, os.fspath(external_data)))


def roofline(plan: str | os.PathLike[str] | _penstock.Plan | bytes, *, device: str = "auto", profile: int = 0) -> dict[str, Any]:
    """How near each layer comes to what the device can do: runs the plan, and measures the device's ceilings.

    plan: a Plan, its bytes, or a path. device: where to run it. profile: whose opt shapes are run, on random inputs. What
    the dictionary holds is what `penstock inspect --roofline --json` prints.
    """
    if isinstance(plan, bytes):
        plan = _penstock.Plan(plan)
    source = plan if isinstance(plan, _penstock.Plan) else os.fspath(plan)
    return json.loads(_penstock._roofline(source, device, _arguments.integer("profile", profile, 0)))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What compare() found: the layers in the order of the run."""

    layers: list[_penstock.LayerError]
    tolerance: float

    @property
    def worst(self) -> float:
        """The largest error of all layers."""
        return max((layer.error for layer in self.layers), default=0.0)

    @property
    def first_over(self) -> _penstock.LayerError | None:
        """The first layer over the tolerance, where a wrong kernel is to be looked for."""
        wrong = (layer for layer in self.layers if not layer.comparable or not layer.error <= self.tolerance)
        return next(wrong, None)

    @property
    def agrees(self) -> bool:
        """No layer is over the tolerance."""
        return self.first_over is None


def compare(model: str | os.PathLike[str] | bytes | Any, inputs: Mapping[str, Any] | None = None, *,
            tolerance: float = 1e-4, seed: int = 0, **build_options: Any) -> Comparison:
    """Runs a tuned plan of the model beside the reference kernels and compares layer by layer.

    inputs: arrays by name; the others are random, in the shapes that the plan is tuned for.
    tolerance: the largest error, relative to each layer's largest value.
    build_options: as build() takes them.
    """
    if inputs is not None and not isinstance(inputs, Mapping):
        raise TypeError(f"inputs: expected a dictionary from names to arrays, got {type(inputs).__name__}")
    tuned = _penstock.Engine(_build.build(model, **build_options))
    plain = {**build_options, "optimization_level": 0, "tactic_sources": ["reference"], "timing_cache": None,
             "device": "cpu", "fp16": False, "bf16": False}
    reference = _penstock.Engine(_build.build(model, **plain))
    seed = _arguments.integer("seed", seed, 0)
    return Comparison(_penstock._compare(tuned, reference, dict(inputs or {}), seed), tolerance)
