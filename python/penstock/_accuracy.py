# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""accuracy(): how good a plan's answers are, also against another plan."""
from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from penstock import _arguments, _build, _penstock
from penstock.errors import InvalidArgumentError

Arrays = Mapping[str, Any]

# Options of build() that make it compute in less than float32.
_LOWER = ("int8", "fp16", "bf16", "best", "tf32", "calibration", "calibration_cache", "calibration_method", "layer_precisions")


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """A metric's figure of a plan, and of what it was compared with."""

    metric: str
    figure: float
    samples: int
    reference: float | None = None
    loss: float | None = None
    """What the plan lost against the reference; negative where it is better."""


def _engine(source: Any, argument: str, device: str, build_options: Mapping[str, Any]) -> _penstock.Engine:
    if isinstance(source, _penstock.Engine):
        return source
    if isinstance(source, (str, os.PathLike)) and os.fspath(source).endswith(".onnx") or hasattr(source, "graph"):
        source = _build.build(source, **build_options)
    elif not isinstance(source, (str, os.PathLike, _penstock.Plan, bytes)):
        raise TypeError(f"{argument}: expected an Engine, a Plan, a path or a model, got {type(source).__name__}")
    return _penstock.Engine(source, device=device)


def _arrays(data: Any) -> dict[str, Any]:
    if isinstance(data, (str, os.PathLike)):
        import numpy
        with numpy.load(data, allow_pickle=False) as file:
            return dict(file)
    if not isinstance(data, Mapping):
        raise TypeError(f"data: expected a dictionary of arrays or the path of a .npz file, got {type(data).__name__}")
    return dict(data)


def _call(metric: Callable[[Arrays, Arrays], float], name: str, outputs: Arrays, data: Arrays) -> float:
    figure = metric(outputs, data)
    try:
        figure = float(figure)
    except (TypeError, ValueError):
        raise TypeError(f"metric '{name}' gave {type(figure).__name__}, not a number") from None
    if not math.isfinite(figure):
        raise InvalidArgumentError(f"metric '{name}' gave {figure}, which is no figure to compare")
    return figure


def _first(data: dict[str, Any], engine: _penstock.Engine, samples: int) -> dict[str, Any]:
    """The first samples of arrays that have as many as the inputs."""
    count = next((len(data[each.name]) for each in engine.inputs if each.name in data), 0)
    return {name: array[:samples] if getattr(array, "shape", ()) and len(array) == count else array
            for name, array in data.items()} if 0 < samples < count else data


def accuracy(
    plan: _penstock.Engine | _penstock.Plan | str | os.PathLike[str] | Any,
    data: str | os.PathLike[str] | Arrays,
    metric: str | Callable[[Arrays, Arrays], float] = "top1",
    *,
    against: _penstock.Engine | _penstock.Plan | str | os.PathLike[str] | Any = None,
    output: str = "",
    labels: str = "",
    higher_is_better: bool = True,
    batch: int = 0,
    samples: int = 0,
    threads: int = 0,
    device: str = "auto",
    progress: Callable[[str, float], object] | None = None,
    **build_options: Any,
) -> Accuracy:
    """Runs a plan over labelled data and judges its outputs, also against another plan.

    plan: an Engine, a Plan, a path; or a model (MODEL.onnx, onnx.ModelProto), which is built with build_options.
    data: a dictionary of arrays, or a .npz file of them: an array for each input, samples along the first axis, and what
        the metric reads: by default "labels".
    metric: "top1", "top5" (percent), "auc" (0 to 1), "f1", "exact_match" (percent, of answers to questions), "cosine",
        "max_error" (against the outputs of `against`); or a function of the outputs and the data, two dictionaries of
        arrays, that gives a number.
    against: what to compare with; a model is built in float32.
    output: the output to judge; by default the only one.
    labels: the array of right answers; by default "labels" or "label".
    higher_is_better: of a function's figures.
    batch: samples that run at once; 0: as many as the plan is tuned for.
    samples: the first so many only; 0: all.

    What a metric raises arrives; a figure that is NaN or infinite is an InvalidArgumentError.
    """
    arrays = _arrays(data)
    engine = _engine(plan, "plan", device, build_options)
    count = _arguments.integer("samples", samples, 0)
    arrays = _first(arrays, engine, count)
    run = (_arguments.integer("batch", batch, 0), 0, _arguments.integer("threads", threads, 0),
           _arguments.callback("progress", progress))
    outputs = _penstock._run_samples(engine, arrays, *run)
    expected = None
    if against is not None:
        plain = {name: value for name, value in build_options.items() if name not in _LOWER}
        expected = _penstock._run_samples(_engine(against, "against", device, plain), arrays, *run)
    total = max((len(array) for array in outputs.values()), default=0)
    if isinstance(metric, str):
        figure, reference, loss = _penstock._judge(metric, output, labels, outputs, expected, arrays)
        return Accuracy(metric, figure, total, reference, loss)
    if not callable(metric):
        raise TypeError(f"metric: expected a name or a function, got {type(metric).__name__}")
    name = getattr(metric, "__name__", type(metric).__name__)
    figure = _call(metric, name, outputs, arrays)
    if expected is None:
        return Accuracy(name, figure, total)
    reference = _call(metric, name, expected, arrays)
    return Accuracy(name, figure, total, reference, reference - figure if higher_is_better else figure - reference)
