# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Several optimization profiles and shape inputs, through TensorRT's API."""
import pathlib

import numpy as np
import onnx.parser
import pytest
from trt_helpers import EXPLICIT_BATCH, Messages, close, expected, images, logger, model  # noqa: F401

import penstock.trt as trt
from penstock import cuda

RESHAPE = """
  <ir_version: 10, opset_import: ["" : 21]>
  reshape (float[12] x, int64[2] shape) => (float[rows, columns] y) { z = Reshape(x, shape)  y = Relu(z) }"""


def build(logger, onnx_bytes, *profiles):
    builder = trt.Builder(logger)
    network = builder.create_network(EXPLICIT_BATCH)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(onnx_bytes), [str(parser.get_error(i)) for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    config.builder_optimization_level = 0
    for i, fill in enumerate(profiles):
        profile = builder.create_optimization_profile()
        fill(profile)
        assert config.add_optimization_profile(profile) == i
    assert config.num_optimization_profiles == len(profiles)
    return trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))


def batches(low, usual, high):
    return lambda profile: profile.set_shape("images", *((rows, 3, 16, 16) for rows in (low, usual, high)))


@pytest.fixture(scope="module")
def two(model):  # noqa: F811
    return build(Messages(), pathlib.Path(model).read_bytes(), batches(1, 1, 1), batches(2, 4, 8))


def run(context, rows, bindings=None):
    given = images(rows)
    assert context.set_input_shape("images", given.shape)
    shape = context.get_tensor_shape("logits")
    result = np.empty(tuple(shape), np.float32)
    assert context.set_tensor_address("images", given.ctypes.data)
    assert context.set_tensor_address("logits", result.ctypes.data)
    assert context.execute_async_v3(0)
    return result


def test_contexts_without_memory_share_what_they_are_given(two):
    contexts = [two.create_execution_context_without_device_memory() for _ in range(2)]
    memory = cuda.mem_alloc(two.device_memory_size)
    for context in contexts:
        assert context.set_optimization_profile_async(1, 0)
        assert context.set_input_shape("images", (4, 3, 16, 16))
        assert 0 < context.update_device_memory_size_for_shapes() <= two.device_memory_size
        given, result = images(4), np.empty((4, 10), np.float32)
        assert context.set_tensor_address("images", given.ctypes.data)
        assert context.set_tensor_address("logits", result.ctypes.data)
        assert not context.execute_async_v3(0)  # no memory yet
        context.set_device_memory(int(memory), two.device_memory_size)
        assert context.execute_async_v3(0)
        own = two.create_execution_context()
        assert own.set_optimization_profile_async(1, 0)
        np.testing.assert_allclose(result, run(own, 4), rtol=1e-5)
    context = two.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
    context.device_memory = memory
    assert context.device_memory is memory
    with pytest.raises(ValueError, match="has its own memory"):
        two.create_execution_context().set_device_memory(int(memory), 1024)
    with pytest.raises(cuda.LogicError, match="do not fit"):
        context.set_device_memory(int(memory), two.device_memory_size + 1)


def test_an_engine_tells_its_profiles(two):
    assert two.num_optimization_profiles == 2
    assert two.get_tensor_profile_shape("images", 1) == [(2, 3, 16, 16), (4, 3, 16, 16), (8, 3, 16, 16)]
    assert two.get_tensor_profile_shape("images", 2) == []
    assert two.get_tensor_profile_values("images", 0) == [] and not two.is_shape_inference_io("images")
    sizes = [two.get_device_memory_size_for_profile(i) for i in range(2)]
    assert 0 < sizes[0] < sizes[1] == two.device_memory_size


def test_a_context_switches_profiles(two, expected):  # noqa: F811
    context = two.create_execution_context()
    assert context.active_optimization_profile == 0
    close(run(context, 1), expected(images(1)))
    assert not context.set_input_shape("images", (4, 3, 16, 16))
    assert context.set_optimization_profile_async(1, 0) and context.active_optimization_profile == 1
    assert context.infer_shapes() == ["images"]  # to be set again, as in TensorRT
    close(run(context, 8), expected(images(8)))
    context.active_optimization_profile = 0
    close(run(context, 1), expected(images(1)))
    assert not context.set_optimization_profile_async(2, 0) and not context.set_optimization_profile_async(-1, 0)
    assert context.active_optimization_profile == 0


def test_bindings_are_numbered_for_each_profile(two, expected):  # noqa: F811
    assert two.num_bindings == len(two) == 4
    assert list(two) == ["images", "logits", "images [profile 1]", "logits [profile 1]"]
    assert two.get_binding_index("images [profile 1]") == 2 and two.get_binding_index("images [profile 2]") == -1
    assert two.binding_is_input(2) and not two.binding_is_input(3) and two.get_binding_name(4) is None
    assert two.get_profile_shape(1, 2)[2] == (8, 3, 16, 16)
    context = two.create_execution_context()
    context.active_optimization_profile = 1
    assert not context.set_binding_shape(0, (4, 3, 16, 16))
    assert context.set_binding_shape(2, (4, 3, 16, 16)) and context.get_binding_shape(3) == (4, 10)
    given, result = images(4), np.empty((4, 10), np.float32)
    assert context.execute_v2([0, 0, given.ctypes.data, result.ctypes.data])
    close(result, expected(given))
    result[:] = 0
    assert context.execute_v2([given.ctypes.data, result.ctypes.data])  # those of the active profile
    close(result, expected(given))
    assert not context.execute_v2([given.ctypes.data])


@pytest.fixture(scope="module")
def reshape():
    return build(Messages(), onnx.parser.parse_model(RESHAPE).SerializeToString(),
                 lambda profile: profile.set_shape_input("shape", (1, 1), (3, 4), (3, 12)),
                 lambda profile: profile.set_shape_input("shape", (4, 1), (6, 2), (12, 3)))


def test_an_engine_tells_its_shape_inputs(reshape):
    assert reshape.is_shape_inference_io("shape") and not reshape.is_shape_inference_io("x")
    assert reshape.get_tensor_location("shape") == trt.TensorLocation.HOST and reshape.is_shape_binding(1)
    assert reshape.get_tensor_profile_values("shape", 1) == [[4, 1], [6, 2], [12, 3]]
    assert reshape.get_tensor_profile_values(0, "shape") == reshape.get_profile_shape_input(0, "shape")
    assert reshape.get_profile_shape_input(0, 1) == [[1, 1], [3, 4], [3, 12]]


def test_values_tell_shapes_before_the_run(reshape):
    context = reshape.create_execution_context()
    assert not context.all_shape_inputs_specified
    assert context.set_shape_input(1, (2, 6)) and context.get_shape(1) == [2, 6]
    assert context.all_shape_inputs_specified and context.get_tensor_shape("y") == (2, 6)
    x, y = np.arange(12, dtype=np.float32), np.empty((2, 6), np.float32)
    assert context.execute_v2([x.ctypes.data, 0, y.ctypes.data])
    assert y.tolist() == x.reshape(2, 6).tolist()
    assert not context.set_shape_input(1, (4, 3)) and "value 0 is outside profile 0" in reshape._logger.text()
    context.active_optimization_profile = 1
    assert not context.set_shape_input(1, (4, 3))  # a binding of profile 0
    assert context.set_shape_input(4, (4, 3)) and context.get_binding_shape(5) == (4, 3)


def test_values_are_read_from_an_address(reshape):
    context = reshape.create_execution_context()
    x, shape, y = np.arange(12, dtype=np.float32), np.array([3, 4]), np.empty(12, np.float32)
    for name, array in {"x": x, "shape": shape, "y": y}.items():
        assert context.set_tensor_address(name, array.ctypes.data)
    assert context.get_tensor_shape("y") == (3, 4) and context.execute_async_v3(0)
    y[:] = 0
    shape[:] = 1, 12
    assert context.execute_async_v3(0) and context.get_tensor_shape("y") == (1, 12)
    assert y.tolist() == x.tolist()
    shape[:] = 12, 1
    assert not context.execute_async_v3(0)


def test_profiles_are_checked_when_they_are_made(logger):  # noqa: F811
    profile = trt.Builder(logger).create_optimization_profile()
    with pytest.raises(ValueError, match="not min .* <= opt"):
        profile.set_shape_input("shape", (2,), (1,), (3,))
    with pytest.raises(ValueError, match="differ in length"):
        profile.set_shape_input("shape", (2,), (2, 2), (3,))
