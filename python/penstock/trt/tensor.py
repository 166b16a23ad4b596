# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""ITensor and ILayer: what every network is made of."""
from __future__ import annotations

from typing import Any

from penstock.errors import InvalidArgumentError
from penstock.trt import parsed
from penstock.trt.enums import DataType, LayerType, TensorLocation
from penstock.trt.types import Dims, from_onnx
from penstock.trt.unsupported import REASONS, Checked, Option, error

_FLOATS = (DataType.FLOAT, DataType.HALF, DataType.BF16)


class ITensor(Checked):
    """A value of a network: an input, or an output of a layer."""

    broadcast_across_batch = Option(False)
    location = Option(TensorLocation.DEVICE)
    allowed_formats = Option(1)

    def __init__(self, network: Any, name: str, kind: Any = None):
        self._network = network
        self._name = name
        self._source = name  # its name in the model it was parsed from
        self._kind = kind  # an onnx.TypeProto, for inputs
        self._wanted: DataType | None = None

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._network._rename(self, name)

    def _type(self) -> Any:
        return self._kind or self._network._inferred().get(self._name)

    @property
    def shape(self) -> Dims:
        """-1 where an extent varies; with no extents where inference finds none."""
        from penstock.trt.emitter import extents
        kind = self._type()
        return Dims(extents(kind) if kind is not None else ())

    @shape.setter
    def shape(self, shape: Any) -> None:
        if self._kind is None:
            raise InvalidArgumentError(f"tensor '{self.name}': only the shape of a network's input can be set")
        self._network._set_input_shape(self, shape)

    @property
    def dtype(self) -> DataType:
        kind = self._type()
        if self._wanted is not None or kind is None:
            return self._wanted or DataType.FLOAT
        return from_onnx(kind.tensor_type.elem_type, f"tensor '{self.name}'")

    @dtype.setter
    def dtype(self, dtype: DataType) -> None:
        if not (self.is_network_input or self.is_network_output):
            raise InvalidArgumentError(f"tensor '{self.name}': the type of a network's inputs and outputs can be set; "
                                       "use add_cast for others")
        if dtype in (DataType.INT8, DataType.FP8) and self.dtype in _FLOATS:
            raise error("ITensor.dtype", REASONS["ITensor.dynamic_range"])
        self._wanted = DataType(dtype)
        self._network._changed()

    @property
    def is_network_input(self) -> bool:
        return any(tensor is self for tensor in self._network._inputs)

    @property
    def is_network_output(self) -> bool:
        return any(tensor is self for tensor in self._network._outputs)

    is_shape_tensor = property(lambda self: False)
    is_execution_tensor = property(lambda self: True)

    def set_dimension_name(self, index: int, name: str) -> None:
        """For an input: extents of one name are equal."""
        self._kind.tensor_type.shape.dim[index].dim_param = name
        self._network._changed()

    def get_dimension_name(self, index: int) -> str:
        kind = self._type()
        return kind.tensor_type.shape.dim[index].dim_param if kind is not None else ""

    def __repr__(self) -> str:
        return f"<tensorrt.ITensor '{self.name}'>"


class Parameter(Option):
    """A property of a layer: setting it changes the network."""

    # Scripts turn layers of a parsed model into the classes of their types by setting __class__.
    def _refuse(self, instance: Any) -> None:
        raise error(f"{type(instance).__name__}.{self._name.removeprefix('_option_')}",
                    f"'{instance.name}' was parsed: its attributes stand in the ONNX model, change them there")

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None or "_node" not in instance.__dict__:
            return super().__get__(instance, owner)
        known = parsed.parameter(instance._node.op_type, self._name.removeprefix("_option_"))
        return known if known is not None else self._refuse(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        if "_node" in instance.__dict__:
            self._refuse(instance)
        super().__set__(instance, value)
        instance._network._changed()


class Extents(Parameter):
    """A Parameter that reads as Dims."""

    def __set__(self, instance: Any, value: Any) -> None:
        super().__set__(instance, None if value is None else Dims(value))


class ILayer(Checked):
    """A step of a network."""

    metadata = Option("")
    num_ranks = Option(1)
    _layer_type = LayerType.IDENTITY

    def __init__(self, network: Any, inputs: list[ITensor | None], outputs: int = 1, **parameters: Any):
        self._network = network
        self._inputs = list(inputs)
        self._name = network._layer_name(self)
        self._outputs = [network._new_tensor(f"{self._name}_output" + (f"_{index}" if index else ""))
                         for index in range(outputs)]
        self._precision: DataType | None = None
        self._output_types: dict[int, DataType] = {}
        for name, value in parameters.items():
            setattr(self, name, value)

    def _emit(self, emit: Any, inputs: list[str], outputs: list[str]) -> None:
        raise NotImplementedError

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = str(name)

    @property
    def type(self) -> Any:
        return parsed.layer_type(self._node.op_type) if "_node" in self.__dict__ else self._layer_type

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    def get_input(self, index: int) -> ITensor | None:
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> ITensor | None:
        return self._outputs[index] if 0 <= index < len(self._outputs) else None

    def set_input(self, index: int, tensor: ITensor) -> None:
        self._network._check_tensor(tensor)
        if not 0 <= index <= 8:
            raise InvalidArgumentError(f"layer '{self.name}' has no input {index}")
        self._inputs += [None] * (index + 1 - len(self._inputs))
        self._inputs[index] = tensor
        self._network._changed()

    # Precisions are kept for the scripts that read them back; everything runs in the types of the network.
    @property
    def precision(self) -> DataType:
        return self._precision or DataType.FLOAT

    @precision.setter
    def precision(self, precision: DataType) -> None:
        self._network._note_precision(self, precision)
        self._precision = precision

    @property
    def precision_is_set(self) -> bool:
        return self._precision is not None

    def reset_precision(self) -> None:
        self._precision = None

    def set_output_type(self, index: int, dtype: DataType) -> None:
        self._network._note_precision(self, dtype)
        self._output_types[index] = dtype

    def get_output_type(self, index: int) -> DataType:
        return self._output_types.get(index) or self._outputs[index].dtype

    def output_type_is_set(self, index: int) -> bool:
        return index in self._output_types

    def reset_output_type(self, index: int) -> None:
        self._output_types.pop(index, None)

    def __repr__(self) -> str:
        return f"<tensorrt.{type(self).__name__} '{self.name}'>"
