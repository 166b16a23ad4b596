# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""ONNX's backend interface: prepare, run_model, run_node, supports_device.

Models are built in memory. What build() takes can be given to prepare as keywords; without any, the first tactic of
each node is taken unmeasured, since models that come this way are mostly run once.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import onnx
import onnx.backend.base

import penstock

_UNMEASURED = {"optimization_level": 0, "threads": 1}
_TOLERANCES = {"rtol", "atol"}  # the suite passes them to prepare too


def _row_major(value: Any) -> Any:
    if isinstance(value, list):  # a sequence
        return [_row_major(item) for item in value]
    return numpy.asarray(value, order="C") if isinstance(value, (numpy.ndarray, numpy.generic)) else value


class PreparedModel(onnx.backend.base.BackendRep):
    """A model that is built and can run any number of times."""

    def __init__(self, plan: penstock.Plan):
        self.engine = penstock.Engine(plan)
        self.context = self.engine.create_context()
        self._names = [tensor.name for tensor in self.engine.inputs]
        self._result = onnx.backend.base.namedtupledict("Outputs", [tensor.name for tensor in self.engine.outputs])

    def _by_name(self, inputs: Any) -> dict[str, Any]:
        if isinstance(inputs, Mapping):
            return {name: _row_major(value) for name, value in inputs.items()}
        values = list(inputs) if isinstance(inputs, (Sequence, tuple)) else [inputs]
        if len(values) != len(self._names):
            raise penstock.InvalidArgumentError(
                f"inputs: the model takes {len(self._names)} ({', '.join(self._names)}), got {len(values)}")
        return {name: _row_major(value) for name, value in zip(self._names, values)}

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Outputs in the model's order, from inputs in the model's order or by name."""
        outputs = self.context.run(self._by_name(inputs))
        return self._result(*(outputs[tensor.name] for tensor in self.engine.outputs))


class PenstockBackend(onnx.backend.base.Backend):
    """Penstock behind ONNX's backend interface."""

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device.split(":")[0] == "CPU"

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        if not cls.supports_device(device):
            raise penstock.UnsupportedError(f"device: no {device!r} here; known is 'CPU'")
        options = {name: value for name, value in kwargs.items() if name not in _TOLERANCES}
        return PreparedModel(penstock.build(model, **{**_UNMEASURED, **options}))

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU", outputs_info: Any = None,
                 **kwargs: Any) -> tuple[Any, ...]:
        """Runs one operator of the newest operator set, or of `opset_version`."""
        version = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = list(dict.fromkeys(name for name in node.input if name))
        values = inputs if isinstance(inputs, Mapping) else dict(zip(names, inputs))
        graph = onnx.helper.make_graph(
            [node], "node",
            [onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(numpy.asarray(value).dtype), numpy.shape(value))
             for name, value in values.items()],
            [onnx.ValueInfoProto(name=name) for name in node.output if name])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, version)])
        return cls.run_model(model, values, device, **kwargs)


is_compatible = PenstockBackend.is_compatible
prepare = PenstockBackend.prepare
run_model = PenstockBackend.run_model
run_node = PenstockBackend.run_node
supports_device = PenstockBackend.supports_device
