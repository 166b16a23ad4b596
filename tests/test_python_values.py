# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Strings, sequences, optionals and operators of the application's own, from Python."""
import numpy as np
import onnx.parser
import pytest

import penstock


def parsed(text):
    return onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> agraph {text}')


def context_of(text):
    return penstock.Engine(penstock.build(parsed(text), optimization_level=0)).create_context()


def test_strings_come_and_go_as_objects():
    context = context_of("(string[n] a, string[1] b) => (string[n] y) { y = StringConcat(a, b) }")
    result = context.run({"a": np.array(["äh", ""]), "b": ["!"]})["y"]
    assert result.dtype == object and result.tolist() == ["äh!", "!"]
    with pytest.raises(TypeError, match="input 'a': expected strings, got int"):
        context.run({"a": [1], "b": ["!"]})
    with pytest.raises(penstock.UnsupportedError, match="output 'y': strings"):
        context.set_output("y", np.empty(2, object))


def test_sequences_are_lists():
    context = context_of("(seq(float[n]) s, float[n] x) => (seq(float[n]) t) { t = SequenceInsert(s, x) }")
    tensors = context.run({"s": [np.ones(2, np.float32)], "x": np.zeros(3, np.float32)})["t"]
    assert [tensor.tolist() for tensor in tensors] == [[1, 1], [0, 0, 0]]
    with pytest.raises(TypeError, match="input 's': expected a list of arrays, got numpy.ndarray"):
        context.run({"s": np.ones(2, np.float32), "x": np.zeros(3, np.float32)})
    with pytest.raises(TypeError, match="input 's': expected a row-major float32"):
        context.run({"s": [np.ones(2)], "x": np.zeros(3, np.float32)})


def test_an_optional_may_be_none():
    context = context_of("(optional(float[n]) o) => (bool y) { y = OptionalHasElement(o) }")
    assert not context.run({"o": None})["y"] and not context.run({})["y"]
    assert context.run({"o": np.ones(2, np.float32)})["y"]


class TestRegisterOperator:
    MODEL = '(float[n] x) => (float[n] y) { y = com.example.Twice <by = 3> (x) }'

    def build(self):
        model = parsed(self.MODEL)
        model.opset_import.add(domain="com.example", version=1)
        return penstock.Engine(penstock.build(model, optimization_level=0)).create_context()

    def test_runs_a_function_of_arrays(self):
        penstock.register_operator("com.example", "Twice", lambda attributes, x: x * attributes["by"])
        assert self.build().run({"x": np.arange(3, dtype=np.float32)})["y"].tolist() == [0, 3, 6]

    def test_what_it_raises_is_the_error_of_the_run(self):
        def fail(attributes, x):
            if x.size == 2:
                raise RuntimeError("not two")
            return x

        penstock.register_operator("com.example", "Twice", fail)
        context = self.build()
        with pytest.raises(penstock.Error, match="Twice.*not two"):
            context.run({"x": np.ones(2, np.float32)})
        assert context.run({"x": np.ones(3, np.float32)})["y"].tolist() == [1, 1, 1]

    def test_results_are_checked(self):
        penstock.register_operator("com.example", "Twice", lambda attributes, x: x.astype(np.float64))
        with pytest.raises(penstock.Error, match="output of run '0': expected a row-major float32 array"):
            self.build().run({"x": np.ones(3, np.float32)})

    def test_wrong_arguments_are_named(self):
        with pytest.raises(TypeError, match="run: expected a function"):
            penstock.register_operator("com.example", "Twice", None)
        with pytest.raises(penstock.InvalidArgumentError, match="needs a domain of its own"):
            penstock.register_operator("ai.onnx", "Twice", lambda attributes, x: x)
