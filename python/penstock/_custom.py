# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Operators that the application brings along."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock._penstock import _register_operator


def register_operator(domain: str, name: str, run: Callable[..., Any], *, infer: Callable[..., Any] | None = None,
                      inputs: int | tuple[int, int | None] = 1, outputs: int = 1, stateful: bool = False) -> None:
    """Makes an operator known to this process, before a model that has it is built or its plan is opened.

    run(attributes, *arrays) computes: from a dictionary and NumPy arrays (None for an optional input that is left out)
    to an array, or a tuple of them for several outputs. infer(attributes, types) tells types and shapes: from a list of
    (dtype, dims) to such a list for the outputs. Extents are integers, names or expressions ("batch", "batch*12"), None
    where only the run tells. Without infer, outputs are of the first input's type and shape. `inputs` is their number,
    or the least and the most (None: any). A stateful operator may answer differently to equal inputs. Registering a
    name again replaces the operator for engines that are opened afterwards.

    Both are called from whichever thread builds or runs; what they raise becomes the error of that call.
    """
    for argument, function in (("run", run), ("infer", infer)):
        if function is not None and not callable(function) or function is None and argument == "run":
            raise TypeError(f"{argument}: expected a function, got {type(function).__name__}")
    least, most = (inputs, inputs) if isinstance(inputs, int) else inputs
    _register_operator(domain, name, run, infer, least, -1 if most is None else most, outputs, stateful)
