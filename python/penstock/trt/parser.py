# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""OnnxParser: fills a network from an ONNX model."""
from __future__ import annotations

import os
import re
from typing import Any

import penstock
from penstock.trt.emitter import require_onnx
from penstock.trt.enums import ErrorCode, OnnxParserFlag, Severity
from penstock.trt.logger import checked_logger
from penstock.trt.unsupported import Checked, Option


class ParserError:
    """What is wrong with a model."""

    def __init__(self, code: ErrorCode, message: str):
        self._code = code
        self._message = message

    def code(self) -> ErrorCode:
        return self._code

    def desc(self) -> str:
        return self._message

    def file(self) -> str:
        return ""

    def line(self) -> int:
        return 0

    def func(self) -> str:
        return "parse"

    def node(self) -> int:
        return -1

    def node_name(self) -> str:
        return ""

    def node_operator(self) -> str:
        return ""

    def local_function_stack(self) -> list[str]:
        return []

    def local_function_stack_size(self) -> int:
        return 0

    def __str__(self) -> str:
        return f"{self._code.name}: {self._message}"

    __repr__ = __str__


def _code_of(error: Exception) -> ErrorCode:
    if isinstance(error, penstock.UnsupportedError):
        return ErrorCode.UNSUPPORTED_NODE
    if isinstance(error, penstock.InvalidModelError):
        return ErrorCode.INVALID_GRAPH
    return ErrorCode.MODEL_DESERIALIZE_FAILED


class OnnxParser(Checked):
    """Parses ONNX into a network; get_error tells why it did not."""

    flags = Option(0)

    def __init__(self, network: Any, logger: Any):
        self._network = network
        self._logger = checked_logger(logger, "OnnxParser")
        self._errors: list[ParserError] = []

    def _check(self, source: Any, folder: str) -> bool:
        try:
            if isinstance(source, bytes) and not source:
                raise penstock.InvalidModelError("the model is empty: 0 bytes")
            penstock.inspect(source, external_data=folder)
            return True
        except (penstock.Error, OSError) as error:
            self._errors.append(ParserError(_code_of(error), str(error)))
            self._logger.log(Severity.ERROR, str(error))
            return False

    def _take(self, source: Any, folder: str) -> bool:
        if not self._check(source, folder):
            return False
        self._network._set_source(source, folder)
        return True

    def parse(self, model: Any, path: str | None = None) -> bool:
        """The bytes of a model; path: where it came from, if weights lie beside it."""
        source = model if isinstance(model, bytes) else bytes(model) if not hasattr(model, "SerializeToString") \
            else model.SerializeToString()
        return self._take(source, os.path.dirname(os.path.abspath(path)) if path else "")

    def parse_from_file(self, model: str) -> bool:
        path = os.fspath(model)
        return self._read(path) and self._take(path if path.endswith(".onnx") else self._content, self._folder_of(path))

    def _folder_of(self, path: str) -> str:
        return os.path.dirname(os.path.abspath(path))

    def _read(self, path: str) -> bool:
        try:
            with open(path, "rb") as file:
                self._content = b"" if path.endswith(".onnx") else file.read()
            return True
        except OSError as error:
            self._errors.append(ParserError(ErrorCode.MODEL_DESERIALIZE_FAILED, str(error)))
            self._logger.log(Severity.ERROR, str(error))
            return False

    def supports_model(self, model: Any, path: str | None = None) -> Any:
        """(whether it can be built, [(nodes, whether they can)])"""
        self.supports_model_v2(model, path)
        return self._subgraph[1], [self._subgraph]

    def supports_model_v2(self, model: Any, path: str | None = None) -> bool:
        folder = os.path.dirname(os.path.abspath(path)) if path else ""
        supported = self._check(bytes(model), folder)
        try:
            nodes = list(range(len(require_onnx().load_from_string(bytes(model)).graph.node)))
        except Exception:  # not ONNX at all: _check has said so
            nodes = []
        self._subgraph = (nodes, supported)
        return supported

    _subgraph: tuple[list[int], bool] = ([], False)

    @property
    def num_subgraphs(self) -> int:
        return 1 if self._subgraph[0] else 0

    def is_subgraph_supported(self, index: int) -> bool:
        return self._subgraph[1]

    def get_subgraph_nodes(self, index: int) -> list[int]:
        return self._subgraph[0]

    def supports_operator(self, op_name: str) -> bool:
        onnx = require_onnx()
        graph = onnx.helper.make_graph([onnx.helper.make_node(op_name, ["x"], ["y"])], "operator",
                                       [onnx.helper.make_tensor_value_info("x", 1, [1])], [onnx.ValueInfoProto(name="y")])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
        try:
            penstock.inspect(model)
        except penstock.UnsupportedError as error:
            return re.search(rf"not supported: .*\b{re.escape(op_name)}\b", str(error)) is None
        except penstock.Error:  # the operator is known, one input is not enough for it
            return True
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def set_builder_config(self, builder_config: Any) -> bool:
        """Nothing of a parse depends on it."""
        return True

    def clear_errors(self) -> None:
        self._errors.clear()

    def set_flag(self, flag: OnnxParserFlag) -> None:
        self.flags |= 1 << int(flag)

    def clear_flag(self, flag: OnnxParserFlag) -> None:
        self.flags &= ~(1 << int(flag))

    def get_flag(self, flag: OnnxParserFlag) -> bool:
        return bool(self.flags >> int(flag) & 1)

    def get_layer_output_tensor(self, name: str, i: int) -> Any:
        for layer in self._network:
            if layer.name == name:
                return layer.get_output(i)
        return None
