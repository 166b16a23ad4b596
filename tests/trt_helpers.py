# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What the tests of penstock.trt share: a model, its plan and engine, and the ways to run one."""
import pathlib

import numpy as np
import pytest
import small_models

import penstock.trt as trt

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXPLICIT_BATCH = 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


class Messages(trt.ILogger):
    """Keeps what is logged."""

    def __init__(self):
        trt.ILogger.__init__(self)
        self.lines = []

    def log(self, severity, msg):
        if severity <= trt.Logger.WARNING:
            self.lines.append((severity, msg))

    def text(self):
        return "\n".join(message for _, message in self.lines)


@pytest.fixture
def logger():
    return Messages()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_models.conv_net(tmp_path_factory.mktemp("models") / "small.onnx")


@pytest.fixture(scope="module")
def expected(model):
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0]


def images(rows=2, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, 3, 16, 16), np.float32)


def close(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=tolerance)


def build(logger, model, most=4, **settings):
    """As every script does it."""
    builder = trt.Builder(logger)
    network = builder.create_network(EXPLICIT_BATCH)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(pathlib.Path(model).read_bytes()), [str(parser.get_error(i)) for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    config.builder_optimization_level = 0
    profile = builder.create_optimization_profile()
    profile.set_shape("images", (1, 3, 16, 16), (2, 3, 16, 16), (most, 3, 16, 16))
    config.add_optimization_profile(profile)
    for name, value in settings.items():
        setattr(config, name, value)
    return builder.build_serialized_network(network, config)


@pytest.fixture(scope="module")
def plan(model):
    return build(Messages(), model)


@pytest.fixture
def engine(plan, logger):
    return trt.Runtime(logger).deserialize_cuda_engine(plan)


def run_network(make, inputs, logger=None):
    """Builds what `make(network, tensors)` returns the outputs of, and runs it."""
    logger = logger or Messages()
    builder = trt.Builder(logger)
    network = builder.create_network(EXPLICIT_BATCH)
    tensors = [network.add_input(f"x{i}", trt.DataType.__members__[
        {"float32": "FLOAT", "int32": "INT32", "int64": "INT64", "bool": "BOOL"}[str(value.dtype)]], value.shape)
        for i, value in enumerate(inputs)]
    results = make(network, *tensors)
    for i, tensor in enumerate(results if isinstance(results, (list, tuple)) else [results]):
        tensor.name = f"y{i}"
        network.mark_output(tensor)
    config = builder.create_builder_config()
    config.builder_optimization_level = 0
    engine = builder.build_engine(network, config)
    assert engine is not None, logger.text()
    return run_engine(engine, inputs)


def run_engine(engine, inputs):
    context = engine.create_execution_context()
    outputs = []
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            assert context.set_input_shape(name, inputs[i].shape)
            context.set_tensor_address(name, np.ascontiguousarray(inputs[i]))
        else:
            outputs.append(np.empty(tuple(context.get_tensor_shape(name)), trt.nptype(engine.get_tensor_dtype(name))))
            context.set_tensor_address(name, outputs[-1].ctypes.data)
    assert context.execute_async_v3(0), engine._logger.text()
    return outputs


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
