# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""penstock.trt and penstock.cuda: scripts of TensorRT 8 and 10, as they are written, and what they get for mistakes."""
import json
import runpy

import numpy as np
import onnx
import pytest
import small_models
from trt_helpers import (EXPLICIT_BATCH, ROOT, build, close, engine, expected, images, logger, model, plan,  # noqa: F401
                         random, run_engine)

import penstock.cuda as cuda
import penstock.cuda.autoinit  # noqa: F401  (as scripts do)
import penstock.trt as trt
from penstock import cudart


# --- whole scripts ---------------------------------------------------------------------------------------------------

def test_a_script_of_release_8_with_bindings_and_pycuda(model, expected, tmp_path):
    trt_logger = trt.Logger(trt.Logger.ERROR)
    trt.init_libnvinfer_plugins(trt_logger, namespace="")
    path = tmp_path / "small.engine"
    with trt.Builder(trt_logger) as builder, builder.create_network(EXPLICIT_BATCH) as network, \
            trt.OnnxParser(network, trt_logger) as parser, builder.create_builder_config() as config:
        config.max_workspace_size = 1 << 28
        config.builder_optimization_level = 0
        with open(model, "rb") as file:
            assert parser.parse(file.read())
        network.get_input(0).shape = [2, 3, 16, 16]
        engine = builder.build_engine(network, config)
        with open(path, "wb") as file:
            file.write(engine.serialize())

    with open(path, "rb") as file, trt.Runtime(trt_logger) as runtime:
        engine = runtime.deserialize_cuda_engine(file.read())
    inputs, outputs, bindings, stream = [], [], [], cuda.Stream()
    for binding in engine:
        size = trt.volume(engine.get_binding_shape(binding)) * engine.max_batch_size
        host = cuda.pagelocked_empty(size, trt.nptype(engine.get_binding_dtype(binding)))
        device = cuda.mem_alloc(host.nbytes)
        bindings.append(int(device))
        (inputs if engine.binding_is_input(binding) else outputs).append((host, device))
    with engine.create_execution_context() as context:
        for seed in range(3):
            np.copyto(inputs[0][0], images(seed=seed).ravel())
            for host, device in inputs:
                cuda.memcpy_htod_async(device, host, stream)
            assert context.execute_async_v2(bindings=bindings, stream_handle=stream.handle)
            for host, device in outputs:
                cuda.memcpy_dtoh_async(host, device, stream)
            stream.synchronize()
            close(outputs[0][0].reshape(2, 10), expected(images(seed=seed)))


def test_a_script_of_release_8_with_shapes_that_vary(engine, expected):
    context = engine.create_execution_context()
    assert engine.num_bindings == 2 and engine[0] == "images" and engine["logits"] == 1
    assert tuple(engine.get_binding_shape(0)) == (-1, 3, 16, 16)
    assert engine.get_profile_shape(0, "images") == [(1, 3, 16, 16), (2, 3, 16, 16), (4, 3, 16, 16)]
    context.active_optimization_profile = 0
    for rows in (1, 4, 3):
        assert context.set_binding_shape(engine.get_binding_index("images"), (rows, 3, 16, 16))
        assert context.all_binding_shapes_specified
        output = np.empty(tuple(context.get_binding_shape(1)), np.float32)
        memory = cuda.to_device(images(rows)), cuda.mem_alloc(output.nbytes)
        assert context.execute_v2([int(memory[0]), int(memory[1])])
        cuda.memcpy_dtoh(output, memory[1])
        close(output, expected(images(rows)))


def test_a_script_of_release_10_with_tensors_by_name(engine, expected):
    context, stream = engine.create_execution_context(), cuda.Stream()
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    assert [engine.get_tensor_mode(name) for name in names] == [trt.TensorIOMode.INPUT, trt.TensorIOMode.OUTPUT]
    buffers = {}
    for name in names:
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            context.set_input_shape(name, engine.get_tensor_profile_shape(name, 0)[2])
        shape, dtype = context.get_tensor_shape(name), trt.nptype(engine.get_tensor_dtype(name))
        host = cuda.pagelocked_empty(trt.volume(shape), dtype)
        buffers[name] = host, cuda.mem_alloc(host.nbytes)
        context.set_tensor_address(name, int(buffers[name][1]))
    assert not context.infer_shapes()
    start, end = cuda.Event(), cuda.Event()
    buffers["images"][0][:] = images(4).ravel()
    cuda.memcpy_htod_async(buffers["images"][1], buffers["images"][0], stream)
    start.record(stream)
    assert context.execute_async_v3(stream_handle=stream.handle)
    end.record(stream)
    cuda.memcpy_dtoh_async(buffers["logits"][0], buffers["logits"][1], stream)
    stream.synchronize()
    close(buffers["logits"][0].reshape(4, 10), expected(images(4)))
    assert end.time_since(start) > 0


def succeeded(result):
    assert result[0] == cudart.cudaError_t.cudaSuccess, cudart.cudaGetErrorName(result[0])
    return result[1] if len(result) == 2 else result[1:]


def test_a_script_of_release_10_with_cuda_python(engine, expected):
    context, pixels, logits = engine.create_execution_context(), images(3), np.zeros((3, 10), np.float32)
    stream = succeeded(cudart.cudaStreamCreate())
    source, target = (succeeded(cudart.cudaMalloc(array.nbytes)) for array in (pixels, logits))
    context.set_input_shape("images", pixels.shape)
    context.set_tensor_address("images", source)
    context.set_tensor_address("logits", target)
    to_device, to_host = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice, cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
    succeeded(cudart.cudaMemcpyAsync(source, pixels.ctypes.data, pixels.nbytes, to_device, stream))
    assert context.execute_async_v3(stream)
    succeeded(cudart.cudaMemcpyAsync(logits.data, target, logits.nbytes, to_host, stream))
    succeeded(cudart.cudaStreamSynchronize(stream))
    close(logits, expected(pixels))
    assert cudart.cudaMemcpy(source, pixels, pixels.nbytes + 1, to_device)[0] == cudart.cudaError_t.cudaErrorInvalidValue
    for pointer in (source, target):
        succeeded(cudart.cudaFree(pointer))
    assert cudart.cudaFree(source)[0] == cudart.cudaError_t.cudaErrorInvalidValue
    succeeded(cudart.cudaStreamDestroy(stream))


def test_the_example_runs(capsys):
    runpy.run_path(str(ROOT / "examples/python/tensorrt_script.py"), run_name="__main__")
    assert "largest difference from NumPy" in capsys.readouterr().out


# --- engines, contexts, and what goes wrong ----------------------------------------------------------------------------

def test_an_engine_opens_from_a_stream_reader_too(plan, logger, expected):
    class Reader(trt.IStreamReader):
        def __init__(self):
            trt.IStreamReader.__init__(self)
            self.rest = bytes(plan)

        def read(self, size):
            part, self.rest = self.rest[:size], self.rest[size:]
            return part

    class Writer(trt.IStreamWriter):
        def __init__(self):
            trt.IStreamWriter.__init__(self)
            self.data = b""

        def write(self, data):
            self.data += data
            return len(data)
    engine = trt.Runtime(logger).deserialize_cuda_engine(Reader())
    close(run_engine(engine, [images()])[0], expected(images()))
    assert bytes(engine.serialize()) == bytes(plan)


def test_inspector_and_profiler_tell_the_layers(engine):
    inspector = engine.create_engine_inspector()
    whole = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    names = [layer["Name"] for layer in whole["Layers"]]
    assert {"conv1", "conv2", "mean", "classes"} <= set(names) and whole["Bindings"] == ["images", "logits"]
    line = inspector.get_layer_information(names.index("conv1"), trt.LayerInformationFormat.ONELINE)
    assert line.startswith("conv1: Conv -> r1") and len(names) == engine.num_layers
    assert not inspector.get_layer_information(100, trt.LayerInformationFormat.JSON)

    class Times(trt.IProfiler):
        def __init__(self):
            trt.IProfiler.__init__(self)
            self.times = {}

        def report_layer_time(self, layer_name, ms):
            self.times[layer_name] = ms
    context = engine.create_execution_context()
    context.profiler = Times()
    context.set_input_shape("images", (2, 3, 16, 16))
    pixels, output = images(), np.empty((2, 10), np.float32)
    assert context.execute_v2([pixels.ctypes.data, output.ctypes.data])
    assert any("conv1" in name for name in context.profiler.times) and context.report_to_profiler()


def nonzero_engine(logger):
    builder = trt.Builder(logger)
    network = builder.create_network()
    found = network.add_non_zero(network.add_input("x", trt.float32, (2, 3))).get_output(0)
    found.name = "found"
    network.mark_output(found)
    return builder.build_engine(network, builder.create_builder_config())


def test_an_output_allocator_gets_the_shape_that_the_run_found(logger):
    class Allocator(trt.IOutputAllocator):
        def __init__(self):
            trt.IOutputAllocator.__init__(self)

        def reallocate_output(self, tensor_name, memory, size, alignment):
            self.buffer = cuda.mem_alloc(size)
            return int(self.buffer)

        def notify_shape(self, tensor_name, shape):
            self.shape = tuple(shape)
    engine = nonzero_engine(logger)
    context, allocator = engine.create_execution_context(), Allocator()
    x = np.float32([[0, 1, 0], [2, 0, 3]])
    context.set_tensor_address("x", x.ctypes.data)
    assert context.set_output_allocator("found", allocator)
    assert -1 in context.get_tensor_shape("found")
    assert context.execute_async_v3(0), logger.text()
    assert allocator.shape == tuple(context.get_tensor_shape("found")) == (2, 3)
    np.testing.assert_array_equal(cuda.from_device(allocator.buffer, (2, 3), np.int32), np.nonzero(x))


def test_a_shape_that_is_an_input_has_its_values_from_memory_or_from_the_context(logger):
    proto = onnx.helper.make_model(onnx.helper.make_graph(
        [onnx.helper.make_node("Reshape", ["x", "shape"], ["y"])], "reshape",
        [small_models.value("x", (2, 3)), small_models.value("shape", (2,), onnx.TensorProto.INT64)],
        [onnx.ValueInfoProto(name="y")]), opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    builder = trt.Builder(logger)
    network = builder.create_network()
    assert trt.OnnxParser(network, logger).parse(proto.SerializeToString()), logger.text()
    context = builder.build_engine(network, builder.create_builder_config()).create_execution_context()
    x, y, shape = random(2, 3), np.empty((3, 2), np.float32), np.int64([3, 2])
    assert context.execute_v2([x.ctypes.data, shape.ctypes.data, y.ctypes.data]), logger.text()
    np.testing.assert_array_equal(y.ravel(), x.ravel())
    assert context.set_shape_input(1, (6, 1)) and context.get_shape(1) == [6, 1]
    assert context.execute_v2([x.ctypes.data, 0, y.ctypes.data]), logger.text()
    assert context.get_binding_shape(2) == (6, 1)


@pytest.mark.skipif(cuda.gpu() is not None, reason="on a GPU a run that only tells its shapes is waited for")
def test_an_error_on_a_stream_comes_out_of_synchronize(logger):
    engine = nonzero_engine(logger)
    context, stream, x = engine.create_execution_context(), cuda.Stream(), np.ones((2, 3), np.float32)
    small = cuda.mem_alloc(8)
    context.set_tensor_address("x", x.ctypes.data)
    context.set_tensor_address("found", small)
    assert context.execute_async_v3(stream.handle)
    with pytest.raises(cuda.LogicError, match="'found' of shape .2, 6.: 48 bytes do not fit the 8"):
        stream.synchronize()
    large = cuda.mem_alloc(48)
    context.set_tensor_address("found", large)
    assert context.execute_async_v3(stream.handle)
    stream.synchronize()
    np.testing.assert_array_equal(cuda.from_device(large, (2, 6), np.int32), np.nonzero(x))


def test_a_timing_cache_goes_from_build_to_build(model, logger):
    builder = trt.Builder(logger)

    def measured(content):
        network = builder.create_network()
        assert trt.OnnxParser(network, logger).parse_from_file(str(model))
        config = builder.create_builder_config()
        config.set_timing_cache(config.create_timing_cache(content), ignore_mismatch=False)
        plan = builder.build_serialized_network(network, config)
        return plan._plan.summary.tactics_measured, bytes(config.get_timing_cache().serialize())
    first, cache = measured(b"")
    assert first > 0
    assert measured(cache)[0] == 0
    measured(b"of another program")
    assert "not one of Penstock's" in logger.text()


def test_a_progress_monitor_hears_of_phases_and_can_end_a_build(model, logger):
    class Monitor(trt.IProgressMonitor):
        def __init__(self, most):
            trt.IProgressMonitor.__init__(self)
            self.most, self.open, self.steps = most, [], 0

        def phase_start(self, phase_name, parent_phase, num_steps):
            assert parent_phase is None or parent_phase in self.open
            self.open.append(phase_name)

        def step_complete(self, phase_name, step):
            self.steps += 1
            return self.steps < self.most

        def phase_finish(self, phase_name):
            self.open.remove(phase_name)
    patient, hasty = Monitor(1000), Monitor(5)
    assert build(logger, model, progress_monitor=patient) is not None
    assert patient.steps == 100 and not patient.open
    assert build(logger, model, progress_monitor=hasty) is None
    assert not hasty.open and "ended the build" in logger.text()


@pytest.mark.skipif(cuda.gpu() is not None, reason="a GPU runs in FP16")
def test_fp16_runs_in_fp32_with_a_note(logger):
    config = trt.Builder(logger).create_builder_config()
    config.set_flag(trt.BuilderFlag.FP16)
    assert config.get_flag(trt.BuilderFlag.FP16) and "runs in FP32" in logger.text()
    config.clear_flag(trt.BuilderFlag.FP16)
    assert not config.get_flag(trt.BuilderFlag.FP16)
    assert config.int8_calibrator is None and config.DLA_core == -1


def test_a_broken_model_is_told_through_the_parser_and_the_logger(logger, tmp_path):
    network = trt.Builder(logger).create_network()
    parser = trt.OnnxParser(network, logger)
    for broken in (b"", b"junk", onnx.helper.make_model(onnx.helper.make_graph(
            [onnx.helper.make_node("NoSuchOperator", ["x"], ["y"])], "g",
            [onnx.helper.make_tensor_value_info("x", 1, [1])], [onnx.ValueInfoProto(name="y")])).SerializeToString()):
        parser.clear_errors()
        assert parser.parse(broken) is False
        assert parser.num_errors == 1 and parser.get_error(0).desc() in logger.text()
    assert "NoSuchOperator" in parser.get_error(0).desc()
    assert parser.get_error(0).code() == trt.ErrorCode.UNSUPPORTED_NODE
    assert not parser.parse_from_file(str(tmp_path / "nowhere.onnx"))
    assert not parser.supports_operator("NoSuchOperator") and parser.supports_operator("Loop")
    assert parser.supports_operator("Relu")


def test_builds_and_plans_that_fail_give_none_and_a_message(logger, plan):
    builder = trt.Builder(logger)
    network = builder.create_network()
    network.add_input("x", trt.float32, (1,))
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    assert "no output; call mark_output" in logger.text()
    for broken in (b"", b"junk", bytes(plan)[:100], bytes(plan)[:-1]):
        assert trt.Runtime(logger).deserialize_cuda_engine(broken) is None
    x = network.add_convolution_nd(network.get_input(0), 4, (3, 3), random(5))
    network.mark_output(x.get_output(0))
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    assert "the kernel has 5 elements" in logger.text()
    with pytest.raises(TypeError, match="expected a tensorrt.ILogger"):
        trt.Builder(None)
    with pytest.raises(TypeError, match="expected a tensorrt.ITensor, got ndarray"):
        network.add_softmax(random(2))
    with pytest.raises(ValueError, match="is of another network"):
        builder.create_network().add_softmax(network.get_input(0))


@pytest.mark.parametrize("make, words", [
    (lambda n, x: n.add_concatenation([]), "do not fit: list index out of range"),
    (lambda n, x: n.add_activation(x, 99), "99 is no tensorrt.ActivationType"),
    (lambda n, x: n.add_scale(x, trt.ScaleMode.CHANNEL, scale="three"), "expected an array of numbers, got str"),
    (lambda n, x: n.add_reduce(x, trt.ReduceOperation.NONE, 1, True), "reduces nothing"),
    (lambda n, x: n.add_topk(x, trt.TopKOperation.MAX, 1, 0b11), "one axis is sorted"),
    (lambda n, x: n.add_matrix_multiply(x, trt.MatrixOperation.NONE, x, trt.MatrixOperation.NONE), "MatrixMultiply"),
    (lambda n, x: n.add_resize(x), "set its shape or its scales"),
    (lambda n, x: n.add_constant((2**40,), np.float32([1])), "the constant has 1 elements"),
])
def test_a_layer_that_cannot_be_is_named_when_it_is_built(make, words, logger):
    builder = trt.Builder(logger)
    network = builder.create_network()
    network.mark_output(make(network, network.add_input("x", trt.float32, (2, 3, 4, 5))).get_output(0))
    assert builder.build_engine(network, builder.create_builder_config()) is None
    assert words in logger.text()


def test_runs_that_cannot_be_right_give_false_and_a_message(engine, logger, expected):
    context = engine.create_execution_context()
    pixels, output = images(), np.empty((2, 10), np.float32)
    assert not context.execute_v2([pixels.ctypes.data, output.ctypes.data])
    assert "inputs without a shape: images" in logger.text()
    assert not context.set_input_shape("images", (9, 3, 16, 16)) and "outside the profile" in logger.text()
    assert not context.set_input_shape("images", (-1, 3, 16, 16)) and not context.set_input_shape("image", (1,))
    assert context.set_input_shape("images", (2, 3, 16, 16))
    assert not context.execute_v2([pixels.ctypes.data]) and "1 addresses for 2 bindings" in logger.text()
    assert not context.execute_v2([0, output.ctypes.data]) and "'images' has no address" in logger.text()
    small = cuda.mem_alloc(16)
    assert not context.execute_v2([int(small), output.ctypes.data])
    assert "6144 bytes do not fit the 16" in logger.text()
    assert not context.set_tensor_address("images", "here") and not context.set_optimization_profile_async(3, 0)
    assert context.execute_v2([pixels.ctypes.data, output.ctypes.data])
    close(output, expected(pixels))


# --- memory, streams, types --------------------------------------------------------------------------------------------

def test_streams_keep_their_order_and_events_their_time():
    first, second = cuda.Stream(), cuda.Stream()
    memory, results = cuda.mem_alloc(8 * 1000), []
    for value in range(100):
        cuda.memset_d32_async(memory, value, 2000, first)
        result = np.empty(2000, np.uint32)
        cuda.memcpy_dtoh_async(result, memory, first)
        results.append(result)
    reached = cuda.Event().record(first)
    second.wait_for_event(reached)
    copied = np.empty(2000, np.uint32)
    cuda.memcpy_dtoh_async(copied, memory, second)
    second.synchronize()
    assert reached.query() and (copied == 99).all()
    first.synchronize()
    assert all((result == value).all() for value, result in enumerate(results))


def test_memory_is_checked():
    memory = cuda.mem_alloc(16)
    with pytest.raises(cuda.LogicError, match="32 bytes do not fit the 16"):
        cuda.memcpy_htod(memory, np.zeros(32, np.uint8))
    with pytest.raises(cuda.LogicError, match="not contiguous"):
        cuda.memcpy_htod(memory, np.zeros((4, 4), np.uint8)[:, ::2])
    with pytest.raises(cuda.LogicError, match="null"):
        cuda.memcpy_htod(0, np.zeros(4, np.uint8))
    memory.free()
    with pytest.raises(cuda.LogicError, match="freed"):
        int(memory)
    with pytest.raises(cuda.LogicError, match="negative"):
        cuda.pagelocked_empty((-1, 3), np.float32)
    with pytest.raises(cuda.LogicError):
        cuda.mem_alloc(-1)


def test_dims_are_like_tuples_and_can_be_set():
    dims = trt.Dims((-1, 3, 4))
    assert dims == (-1, 3, 4) and tuple(dims) == (-1, 3, 4) and len(dims) == 3 and dims[1:] == (3, 4)
    dims[0] = 2
    assert trt.volume(dims) == 24 and np.empty(dims).shape == (2, 3, 4) and (1,) + dims == (1, 2, 3, 4)
    assert trt.volume(()) == 1 and trt.DimsHW(2, 3).w == 3 and repr(dims) == "(2, 3, 4)"
    with pytest.raises(ValueError, match="expected 3 extents"):
        trt.Dims3(1, 2)


def test_types_have_numpys_and_a_size():
    assert trt.nptype(trt.float32) == np.float32 and trt.nptype(trt.bool) == np.bool_
    assert trt.float16.itemsize == 2 and trt.int4.itemsize == 0.5 and trt.DataType.BF16.itemsize == 2
    with pytest.raises(TypeError):
        trt.nptype(trt.bfloat16)
    assert str(trt.float32) == "DataType.FLOAT" and trt.float32
