# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""build(): from an ONNX model, wherever it is, to a plan."""
from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock import _penstock

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


def integer(name: str, value: Any, least: int) -> int:
    try:
        number = value.__index__()
    except AttributeError:
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if number < least or number >= 2**63 or (name not in ("workspace", "memory_limit", "seed") and number >= 2**31):
        raise _penstock_error(f"{name}: {number} is out of range")
    return number


def _penstock_error(message: str) -> Exception:
    from penstock.errors import InvalidArgumentError
    return InvalidArgumentError(message)


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
        raise _penstock_error("both profile and profiles; give one of them")
    return [_dictionaries(each) for each in (profiles or [Profile() if profile is None else profile])]


def _callback(name: str, function: Any) -> Any:
    if function is not None and not callable(function):
        raise TypeError(f"{name}: expected a function or None, got {type(function).__name__}")
    return function


def model_source(model: Any, argument: str) -> str | bytes:
    """A path as it is, all else as the bytes of an ONNX file."""
    if isinstance(model, (str, os.PathLike)):
        return os.fspath(model)
    if isinstance(model, bytes):
        return model
    if isinstance(model, (bytearray, memoryview)):
        return bytes(model)
    if hasattr(model, "SerializeToString") and hasattr(model, "graph"):
        return model.SerializeToString()
    raise TypeError(f"{argument}: expected a path, the bytes of an ONNX model, or an onnx.ModelProto, "
                    f"got {type(model).__name__}")


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
    fp16, bf16: compute in 16-bit floats where the device does; inputs and outputs stay as they are.
    tf32: on a GPU, products of float32 may round their factors to TF32, which keeps 10 bits of mantissa.
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
    precision = "float16" if fp16 else "bfloat16" if bf16 else "float32"
    plan = _penstock._build(
        model_source(model, "model"), os.fspath(external_data), "", _profiles(profile, profiles), device, precision,
        bool(tf32), integer("threads", threads, 0), integer("concurrent_contexts", concurrent_contexts, 1),
        integer("optimization_level", optimization_level, 0), os.fspath(timing_cache or ""),
        integer("workspace", workspace, 0), integer("memory_limit", memory_limit, 0), list(tactic_sources),
        _callback("progress", progress), _callback("log", log))
    for warning in plan.summary.warnings:
        (_callback("warn", warn) or _LOGGER.warning)(warning)
    return plan
