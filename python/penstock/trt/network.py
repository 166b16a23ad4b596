# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""INetworkDefinition: layers added by hand, a parsed model, or one with the other's additions."""
from __future__ import annotations

from typing import Any, Iterator

import penstock
from penstock.errors import InvalidArgumentError
from penstock.trt import emitter, layers, parsed, shape_layers
from penstock.trt.emitter import require_onnx
from penstock.trt.enums import DataType, NetworkDefinitionCreationFlag, Severity
from penstock.trt.network_layers import LayerCalls
from penstock.trt.tensor import ILayer, ITensor
from penstock.trt.types import onnx_type
from penstock.trt.unsupported import Checked, NotSupportedError, Option, error


class ModelLayer(ILayer):
    """A node of a parsed model."""

    def __init__(self, network: Any, node: Any, inputs: list[ITensor | None], outputs: list[ITensor]):
        self._network = network
        self._node = node
        self._inputs = inputs
        self._outputs = outputs
        self._name = node.name or (node.output[0] if node.output else node.op_type)
        self._precision = None
        self._output_types = {}

    @property
    def type(self) -> Any:
        return parsed.layer_type(self._node.op_type)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        node = type(self._node)()
        node.CopyFrom(self._node)
        del node.input[:], node.output[:]
        node.input.extend(inputs)
        node.output.extend(outputs)
        renamed = {tensor._source: tensor.name for tensor in self._network._tensors.values() if tensor._source != tensor.name}
        if renamed:
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    _rename_captured(graph, renamed)
        emit.nodes.append(node)


def _rename_captured(graph: Any, renamed: dict[str, str]) -> None:
    """What the body of an If or a Loop reads from outside has a new name."""
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                _rename_captured(body, renamed)
    for output in graph.output:
        output.name = renamed.get(output.name, output.name)


class INetworkDefinition(LayerCalls, Checked):
    """A graph of layers between inputs and outputs."""

    error_recorder = Option(None)

    def __init__(self, logger: Any, flags: int = 0, builder: Any = None):
        self._logger = logger
        self._builder = builder
        self._flags = int(flags)
        self._title = "network"
        self._inputs: list[ITensor] = []
        self._outputs: list[ITensor] = []
        self._layers: list[ILayer] = []
        self._tensors: dict[str, ITensor] = {}
        self._model: Any = None  # the onnx.ModelProto it was parsed from: its initializers, functions, operator sets
        self._source: Any = None  # a path or bytes, until the network is looked at
        self._folder = ""  # of weights beside the model
        self._edited = False
        self._known: dict[str, Any] | None = None
        self._noted = False

    # --- what the classes of this package use ------------------------------------------------------------------------
    def _changed(self) -> None:
        self._edited = True
        self._known = None

    def _new_tensor(self, name: str, kind: Any = None) -> ITensor:
        unique, number = name, 1
        while unique in self._tensors:
            unique, number = f"{name}_{number}", number + 1
        tensor = ITensor(self, unique, kind)
        self._tensors[unique] = tensor
        return tensor

    def _layer_name(self, layer: ILayer) -> str:
        return f"(Unnamed Layer* {len(self._layers)}) [{type(layer).__name__[1:].removesuffix('Layer')}]"

    def _rename(self, tensor: ITensor, name: str) -> None:
        if self._tensors.get(name, tensor) is not tensor:
            raise InvalidArgumentError(f"tensor '{tensor.name}': another tensor is named '{name}'")
        self._tensors.pop(tensor._name, None)
        tensor._name = name
        self._tensors[name] = tensor
        self._changed()

    def _check_tensor(self, tensor: Any) -> None:
        if not isinstance(tensor, ITensor):
            raise TypeError(f"expected a tensorrt.ITensor, got {type(tensor).__name__}")
        if tensor._network is not self:
            raise InvalidArgumentError(f"tensor '{tensor.name}' is of another network")

    def _add(self, kind: type[ILayer], inputs: list[Any], outputs: int = 1, **parameters: Any) -> Any:
        self._load()
        for tensor in inputs:
            self._check_tensor(tensor)
        layer = kind(self, inputs, outputs, **parameters)
        self._layers.append(layer)
        self._changed()
        return layer

    def _note_precision(self, layer: ILayer, dtype: DataType) -> None:
        if dtype in (DataType.INT8, DataType.FP8, DataType.INT4, DataType.FP4):
            raise error("ILayer.precision", f"{dtype.name} is not there yet; leave the layer in FP32")
        if dtype in (DataType.HALF, DataType.BF16) and not self._noted:
            self._noted = True
            self._logger.log(Severity.WARNING, f"layer '{layer.name}' is set to {dtype.name}: a layer's own precision has no effect. "
                             f"BuilderFlag.{'FP16' if dtype == DataType.HALF else 'BF16'} sets the plan's")

    def _set_input_shape(self, tensor: ITensor, shape: Any) -> None:
        dims = [int(extent) for extent in shape]
        names = [dim.dim_param for dim in tensor._kind.tensor_type.shape.dim]
        kind = require_onnx().helper.make_tensor_type_proto(
            tensor._kind.tensor_type.elem_type,
            [extent if extent >= 0 else (names[index] if index < len(names) and names[index] else f"{tensor.name}_{index}")
             for index, extent in enumerate(dims)])
        tensor._kind = kind
        self._changed()

    # --- a parsed model ----------------------------------------------------------------------------------------------
    def _set_source(self, source: Any, folder: str) -> None:
        self._source, self._folder, self._edited, self._known = source, folder, False, None

    def _load(self) -> None:
        """Turns the model into layers, when somebody looks."""
        if self._source is None or self._model is not None:
            return
        onnx = require_onnx()
        source = self._source
        model = onnx.load(source, load_external_data=False) if isinstance(source, str) else onnx.load_from_string(source)
        self._model = model
        constants = {tensor.name for tensor in model.graph.initializer}
        constants |= {tensor.values.name for tensor in model.graph.sparse_initializer}
        self._title = model.graph.name or self._title
        for value in model.graph.input:
            if value.name not in constants:
                self._inputs.append(self._new_tensor(value.name, value.type))
        for node in model.graph.node:
            outputs = [self._tensor_named(name) for name in node.output]
            self._layers.append(ModelLayer(self, node, [self._tensor_named(name) for name in node.input], outputs))
        self._outputs = [self._tensor_named(value.name) for value in model.graph.output]
        self._edited = False

    def _tensor_named(self, name: str) -> ITensor | None:
        return (self._tensors.get(name) or self._new_tensor(name)) if name else None

    def _opset(self) -> int:
        versions = [entry.version for entry in self._model.opset_import if entry.domain in ("", "ai.onnx")] if self._model else []
        return versions[0] if versions else emitter.NEWEST_OPSET

    # --- the ONNX model ----------------------------------------------------------------------------------------------
    def _emitted(self) -> Any:
        emit = emitter.Emitter(self._opset(), set(self._tensors))
        if self._model is not None:
            if emit.opset < 13 and any("_node" not in layer.__dict__ for layer in self._layers):
                raise InvalidArgumentError(f"layers cannot be added to a model of operator set {emit.opset}; export it with 13 "
                                           "or newer, or use onnx.version_converter")
            emit.initializers.extend(self._model.graph.initializer)
        replaced: dict[str, str] = {}
        for tensor in self._inputs:
            self._emit_input(emit, tensor, replaced)
        for layer in self._layers:
            emit.layer = layer.name
            self._emit_layer(emit, layer, replaced)
        return emit

    def _emit_layer(self, emit: Any, layer: ILayer, replaced: dict[str, str]) -> None:
        write = ModelLayer._emit if "_node" in layer.__dict__ else type(layer)._emit
        try:
            write(layer, emit, [replaced.get(tensor.name, tensor.name) if tensor else "" for tensor in layer._inputs],
                  [tensor.name if tensor else "" for tensor in layer._outputs])
        except (NotSupportedError, penstock.Error):
            raise
        except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError) as problem:
            raise InvalidArgumentError(f"layer '{layer.name}': its inputs or settings do not fit: {problem}") from problem

    def _emit_input(self, emit: Any, tensor: ITensor, replaced: dict[str, str]) -> None:
        value = emit.onnx.helper.make_value_info(tensor.name, tensor._kind)
        emit.inputs.append(value)
        own = tensor._kind.tensor_type.elem_type
        if tensor._wanted is not None and onnx_type(tensor._wanted) != own:
            emit.inputs[-1] = copy = type(value)()
            copy.CopyFrom(value)
            copy.type.tensor_type.elem_type = onnx_type(tensor._wanted)
            emit.layer = tensor.name
            replaced[tensor.name] = emit.node("Cast", [tensor.name], emit.fresh("input"), to=own)

    def _inferred(self) -> dict[str, Any]:
        self._load()
        if self._known is None:
            emit = self._emitted()
            emit.layer = self._title
            self._known = dict(emit.infer())
            if self._model is not None and not self._edited:
                # The model's own notes know more than inference where operators are not ONNX's.
                for value in (*self._model.graph.value_info, *self._model.graph.output):
                    self._known.setdefault(value.name, value.type)
        return self._known

    def _to_model(self) -> Any:
        """What penstock.build takes: the source itself as long as nobody changed anything."""
        if self._source is not None and not self._edited:
            return self._source
        self._load()
        if not self._outputs:
            raise InvalidArgumentError("the network has no output; call mark_output")
        emit = self._emitted()
        outputs = [self._emit_output(emit, tensor) for tensor in self._outputs]
        model = emit.graph(outputs)
        model.graph.name = self._title
        if self._model is not None:
            model.ir_version = self._model.ir_version
            del model.opset_import[:]
            model.opset_import.extend(self._model.opset_import)
            model.functions.extend(self._model.functions)
            model.graph.sparse_initializer.extend(self._model.graph.sparse_initializer)
        return model

    def _emit_output(self, emit: Any, tensor: ITensor) -> Any:
        kind = emit.infer().get(tensor.name)
        if tensor._wanted is None or tensor.is_network_input or kind is None or \
                onnx_type(tensor._wanted) == kind.tensor_type.elem_type:
            return emit.onnx.ValueInfoProto(name=tensor.name)
        # The output keeps its name; what makes it, and what else reads it, gets another.
        emit.layer = tensor.name
        inner = emit.fresh("output")
        for node in emit.nodes:
            node.output[:] = [inner if name == tensor.name else name for name in node.output]
            node.input[:] = [inner if name == tensor.name else name for name in node.input]
        emit.cast(inner, tensor._wanted, tensor.name)
        return emit.onnx.ValueInfoProto(name=tensor.name)

    def _describe_outputs(self, model: Any) -> None:
        """Types and shapes, which a build finds itself and other readers want."""
        known = self._inferred()
        for value in model.graph.output:
            if value.name in known:
                value.type.CopyFrom(known[value.name])
            wanted = self._tensors[value.name]._wanted
            if wanted is not None:
                value.type.tensor_type.elem_type = onnx_type(wanted)

    # --- TensorRT's ---------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        self._load()
        return self._title

    @name.setter
    def name(self, name: str) -> None:
        self._load()
        self._title = str(name)
        self._changed()

    @property
    def num_layers(self) -> int:
        self._load()
        return len(self._layers)

    @property
    def num_inputs(self) -> int:
        self._load()
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        self._load()
        return len(self._outputs)

    builder = property(lambda self: self._builder)
    flags = property(lambda self: self._flags)
    has_implicit_batch_dimension = property(lambda self: False)
    has_explicit_precision = property(lambda self: False)

    def get_flag(self, flag: NetworkDefinitionCreationFlag) -> bool:
        return bool(self._flags >> int(flag) & 1)

    def get_layer(self, index: int) -> ILayer | None:
        self._load()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def get_input(self, index: int) -> ITensor | None:
        self._load()
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> ITensor | None:
        self._load()
        return self._outputs[index] if 0 <= index < len(self._outputs) else None

    def __len__(self) -> int:
        return self.num_layers

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int) -> ILayer:
        self._load()
        return self._layers[index]

    def __iter__(self) -> Iterator[ILayer]:
        self._load()
        return iter(self._layers)

    def mark_output(self, tensor: ITensor) -> None:
        self._check_tensor(tensor)
        if not tensor.is_network_output:
            self._outputs.append(tensor)
            self._changed()

    def unmark_output(self, tensor: ITensor) -> None:
        self._check_tensor(tensor)
        self._outputs = [output for output in self._outputs if output is not tensor]
        self._changed()

    def remove_tensor(self, tensor: ITensor) -> None:
        """Takes an input out that nothing reads."""
        self._check_tensor(tensor)
        self._inputs = [value for value in self._inputs if value is not tensor]
        self.unmark_output(tensor)

    def is_debug_tensor(self, tensor: ITensor) -> bool:
        return False

    def are_weights_marked_refittable(self, name: str) -> bool:
        return False

    def serialize(self) -> Any:
        """The network as the bytes of an ONNX model."""
        from penstock.trt.types import IHostMemory
        model = self._to_model()
        if not isinstance(model, (str, bytes)):
            self._describe_outputs(model)
        if isinstance(model, str):
            with open(model, "rb") as file:
                return IHostMemory(file.read())
        return IHostMemory(model if isinstance(model, bytes) else model.SerializeToString())

    def add_input(self, name: str, dtype: DataType, shape: Any) -> ITensor | None:
        self._load()
        onnx = require_onnx()
        if name in self._tensors:
            self._logger.log(Severity.ERROR, f"add_input: a tensor is named '{name}' already")
            return None
        dims = [extent if extent >= 0 else f"{name}_{index}" for index, extent in enumerate(int(n) for n in shape)]
        tensor = self._new_tensor(name, onnx.helper.make_tensor_type_proto(onnx_type(DataType(dtype)), dims))
        self._inputs.append(tensor)
        self._changed()
        return tensor


# The layers' classes are names of the package.
LAYER_CLASSES = {name: value for module in (layers, shape_layers) for name, value in vars(module).items()
                 if isinstance(value, type) and issubclass(value, ILayer) and not name.startswith("_")}
