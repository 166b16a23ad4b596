# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""build(): from an ONNX model, wherever it is, to a plan."""
from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from penstock import _penstock
from penstock._arguments import callback, integer, model_source
from penstock._calibration import calibrate
from penstock._contracts import contract_items
from penstock.errors import InvalidArgumentError

Shapes = Mapping[str, Sequence[int]]

_LOGGER = logging.getLogger("penstock")


@dataclasses.dataclass(frozen=True)
class Profile:
    """The shapes that inputs may take, by input name: a plan is tuned at opt and right from min to max.

    An input that a dictionary leaves out gets its extent from the model; where that varies, 0 as the smallest and no
    largest (-1). `values` limits what shape inputs hold, such as Reshape's shape, as {input: (min, opt, max)}, where max
    may be None; where all are 1 or more, shapes are planned before the run.
    """

    min: Shapes = dataclasses.field(default_factory=dict)
    opt: Shapes = dataclasses.field(default_factory=dict)
    max: Shapes = dataclasses.field(default_factory=dict)
    values: Mapping[str, tuple[Sequence[int], Sequence[int], Sequence[int] | None]] = dataclasses.field(default_factory=dict)


def _dictionaries(profile: Profile) -> tuple[dict[str, Any], ...]:
    if not isinstance(profile, Profile):
        raise TypeError(f"profile: expected a penstock.Profile, got {type(profile).__name__}")
    for field in ("min", "opt", "max", "values"):
        if not isinstance(getattr(profile, field), Mapping):
            raise TypeError(f"profile: {field}: expected a dictionary from input names to shapes, "
                            f"got {type(getattr(profile, field)).__name__}")
    return dict(profile.min), dict(profile.opt), dict(profile.max), dict(profile.values)


def _profiles(profile: Profile | None, profiles: Sequence[Profile]) -> list[tuple[dict[str, Any], ...]]:
    if isinstance(profiles, (Profile, Mapping, str)) or not isinstance(profiles, Sequence):
        raise TypeError(f"profiles: expected a list of penstock.Profile, got {type(profiles).__name__}")
    if profile is not None and profiles:
        raise InvalidArgumentError("both profile and profiles; give one of them")
    return [_dictionaries(each) for each in (profiles or [Profile() if profile is None else profile])]


_PRECISIONS = {"fp32": "float32", "float32": "float32", "int8": "int8"}


def _layer_precisions(rules: Mapping[str, str]) -> list[tuple[str, str]]:
    if not isinstance(rules, Mapping):
        raise TypeError(f"layer_precisions: expected a dictionary of layers to precisions, got {type(rules).__name__}")
    for layers, precision in rules.items():
        if precision not in _PRECISIONS:
            raise InvalidArgumentError(f"layer_precisions: '{layers}' asks for '{precision}'; give fp32 or int8")
    return [(str(layers), _PRECISIONS[precision]) for layers, precision in rules.items()]


def _calibration_table(model: Any, external_data: str | os.PathLike[str], calibration: Any, method: str,
                       cache: str | os.PathLike[str] | None, threads: int, progress: Any) -> Any:
    """From the cache where there is one, else from data; None where neither was given."""
    if cache is not None and os.path.exists(cache):
        return _penstock.CalibrationTable.load(os.fspath(cache))
    if calibration is None or isinstance(calibration, _penstock.CalibrationTable):
        table = calibration
    elif isinstance(calibration, (str, os.PathLike)):
        table = _penstock.CalibrationTable.load(os.fspath(calibration))
    else:
        table = calibrate(model, calibration, method=method, threads=threads, external_data=external_data,
                          progress=progress)
    if cache is not None and table is not None:
        table.save(os.fspath(cache))
    return table


def build(
    model: str | os.PathLike[str] | bytes | Any,
    *,
    profile: Profile | None = None,
    profiles: Sequence[Profile] = (),
    threads: int = 0,
    concurrent_contexts: int = 1,
    optimization_level: int = 3,
    timing_cache: str | os.PathLike[str] | None = None,
    workspace: int = 0,
    memory_limit: int = 0,
    device: str = "cpu",
    fp16: bool = False,
    bf16: bool = False,
    tf32: bool = False,
    int8: bool = False,
    calibration: _penstock.CalibrationTable | str | os.PathLike[str] | Iterable[Any] | None = None,
    calibration_method: str = "entropy",
    calibration_cache: str | os.PathLike[str] | None = None,
    layer_precisions: Mapping[str, str] = MappingProxyType({}),
    best: bool = False,
    input_ranges: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    input_normalization: Mapping[str, tuple[Any, Any]] = MappingProxyType({}),
    tactic_sources: Sequence[str] = (),
    external_data: str | os.PathLike[str] = "",
    progress: Callable[[str, float], object] | None = None,
    log: Callable[[str], object] | None = None,
    warn: Callable[[str], object] | None = None,
) -> _penstock.Plan:
    """Compiles an ONNX model for this machine.

    model: a path, the bytes of an ONNX file, or an onnx.ModelProto.
    profile: the shapes to tune for, and their limits.
    profiles: several of them: each is tuned by itself, and all share the weights.
    threads: that share each kernel; 0: all processors.
    concurrent_contexts: that will run side by side: what does most runs in a second then is chosen, not the fastest alone.
    optimization_level: 0 takes the first tactic unmeasured, 3 measures, 5 measures every tactic.
    timing_cache: a file of measured times: read, extended, makes the next build fast.
    workspace: most bytes of scratch memory one kernel may use; 0: no limit.
    memory_limit: most bytes of the device that this process may hold, as Device.set_memory_limit(); 0: as it is.
    device: "cpu", "cuda:0", or "auto": what the environment's PENSTOCK_DEVICE names, else a GPU where there is one.
    fp16, bf16: compute in 16-bit floats where the device does; inputs and outputs stay as they are. On a CPU, what
        is faster so, and fp16 means the faster of the two types.
    tf32: on a GPU, products of float32 may round their factors to TF32, which keeps 10 bits of mantissa.
    int8: convolutions and products with constant weights compute in 8 bits, all else as above. A model with
        QuantizeLinear is quantized as it says; any other needs one of the next two.
    calibration: batches of data, as penstock.calibrate takes them; or what it gave; or the path of its cache.
    calibration_method: where `calibration` is data: "entropy", "minmax", "moving-average", "percentile" or "mse".
    calibration_cache: a file: read where it exists, and then data is not needed; else written.
    layer_precisions: the precision of layers, "fp32" or "int8", by the names of their ONNX nodes as in a shell
        ("layer4*") or by operator ("op:Conv"); the last that names a layer counts.
    best: fp16 where the device computes in it, and int8 too where there is calibration data or a cache.
    input_ranges: the smallest and largest element that inputs are expected to have, for the plan to record; of other
        inputs it records what calibration saw. InputMonitor compares.
    input_normalization: mean and standard deviation of inputs that take (x - mean) / std of x from 0 to 1, each a
        number or one for each channel: recorded as well, and the range that follows where none is given.
    tactic_sources: by name, such as "simd" and "onednn"; empty: all.
    external_data: the folder of weights that lie beside a model given in memory.
    progress: called with what happens and how far it is, 0 to 1.
    log: called with a line for each phase, each pass that changed the graph and each choice of a tactic.
    warn: called with each of Plan.summary.warnings, such as of nodes that a GPU leaves to the CPU; None: the logger
        "penstock" is told.

    What a callback raises ends the build, and so does Control-C; measurements are kept in the timing cache.
    """
    if fp16 and bf16:
        raise ValueError("fp16 and bf16 are both true: give one of them")
    if best and (fp16 or bf16):
        raise ValueError("best chooses the precision by itself: leave fp16 and bf16 out")
    fp16 = fp16 or best
    int8 = int8 or (best and (calibration is not None or calibration_cache is not None))
    table = _calibration_table(model, external_data, calibration, calibration_method, calibration_cache, threads,
                               progress) if int8 else None
    precision = "float16" if fp16 else "bfloat16" if bf16 else "float32"
    plan = _penstock._build(
        model_source(model, "model"), os.fspath(external_data), "", _profiles(profile, profiles), device, precision,
        bool(tf32), bool(int8), table, _layer_precisions(layer_precisions),
        contract_items(input_ranges, input_normalization), integer("threads", threads, 0),
        integer("concurrent_contexts", concurrent_contexts, 1), integer("optimization_level", optimization_level, 0),
        os.fspath(timing_cache or ""), integer("workspace", workspace, 0), integer("memory_limit", memory_limit, 0),
        list(tactic_sources), callback("progress", progress), callback("log", log))
    for warning in plan.summary.warnings:
        (callback("warn", warn) or _LOGGER.warning)(warning)
    return plan
