# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Devices, pycuda's names and TensorRT's over a GPU: where there is one, and everywhere on the stand-in for one."""
import ctypes
import os
import pathlib
import subprocess
import sys

import command
import numpy as np
import onnx.parser
import pytest

import penstock
import penstock.cuda as cuda
import penstock.trt as trt
from penstock import cudart

ROOT = pathlib.Path(__file__).resolve().parents[1]
STANDIN = pathlib.Path(os.environ.get("PENSTOCK_BIN", ROOT / "build/release/bin")).absolute().parent / "standin"
HAS_GPU = cuda.gpu() is not None
ON_STANDIN = HAS_GPU and cuda.gpu().product_name == "a stand-in"
needs_gpu = pytest.mark.skipif(not HAS_GPU, reason="there is no GPU here that works, or PENSTOCK_DEVICE says cpu")


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU, or this is the stand-in")
@pytest.mark.skipif(not STANDIN.exists(), reason="the stand-in is not built")
def test_all_of_it_on_the_stand_in():
    files = ["tests/test_gpu.py", "tests/test_trt.py", "tests/test_trt_profiles.py"]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(STANDIN), "PENSTOCK_DEVICE": "cuda:0"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files], cwd=ROOT,
                          env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "stand-in is not built" not in done.stdout


MODEL = """<ir_version: 10, opset_import: ["" : 21]>
  scores (float[batch, 64] x, float[64, 64] w) => (float[batch, 64] y) { s = MatMul(x, w)  t = Softmax(s)  y = Add(t, x) }"""


def model():
    return onnx.parser.parse_model(MODEL)


def right(x, w):
    s = np.exp(x @ w - (x @ w).max(1, keepdims=True))
    return s / s.sum(1, keepdims=True) + x


def arrays(rows=4, seed=0):
    random = np.random.default_rng(seed)
    return random.standard_normal((rows, 64), np.float32), random.standard_normal((64, 64), np.float32) * 0.1


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def engine():
    return penstock.Engine(penstock.build(model(), device="cuda:0", optimization_level=0))


@pytest.fixture
def device():
    return penstock.Device("cuda:0")


# --- penstock's own API ------------------------------------------------------------------------------------------------

@needs_gpu
def test_a_device_tells_what_it_is(device, engine):
    assert device.name == "cuda:0" and not device.is_host and "cuda:0" in penstock.Device.list()
    assert device.product_name and 0 < device.free_memory <= device.total_memory
    assert engine.device.name == "cuda:0" and penstock.Device("cpu").is_host


@needs_gpu
def test_host_arrays_are_copied(engine):
    context = engine.create_context()
    for rows in (4, 1, 7):
        x, w = arrays(rows)
        close(context.run({"x": x, "w": w})["y"], right(x, w))


@needs_gpu
def test_device_memory_on_a_stream_of_the_caller(device, engine):
    owner = device.create_stream()
    stream = device.wrap_stream(owner.handle)
    context, (x, w) = engine.create_context(), arrays()
    there = {name: device.allocate(array.nbytes) for name, array in (("x", x), ("w", w), ("y", x))}
    device.copy_in(there["w"].address, w.ctypes.data, w.nbytes, stream)
    context.set_address("x", there["x"].address, x.shape)
    context.set_address("w", there["w"].address, w.shape)
    context.set_address("y", there["y"].address, x.shape)
    results = []
    for seed in range(6):
        x = arrays(seed=seed)[0]
        device.copy_in(there["x"].address, x.ctypes.data, x.nbytes, stream)
        context.enqueue(stream)
        y = np.empty_like(x)
        device.copy_out(y.ctypes.data, there["y"].address, y.nbytes, stream)
        results.append((x, y))
    stream.synchronize()
    for x, y in results:
        close(y, right(x, w))
    close(context.output("y"), results[-1][1])


@needs_gpu
def test_addresses_are_told_from_the_hosts(device):
    x, stream, there = np.zeros(16, np.float32), device.create_stream(), device.allocate(64)
    with pytest.raises(penstock.InvalidArgumentError, match="the target is no memory of cuda:0"):
        device.copy_in(x.ctypes.data, x.ctypes.data, 64, stream)
    with pytest.raises(penstock.InvalidArgumentError, match="the stream is of device cpu"):
        device.copy_in(there.address, x.ctypes.data, 64, penstock.Device("cpu").create_stream(1))
    with pytest.raises(cuda.LogicError, match="no memory of cuda:0"):
        cuda.memcpy_htod(x.ctypes.data, x)
    assert device.can_reach(there.address) and not device.can_reach(x.ctypes.data)


@needs_gpu
def test_a_plan_for_another_device_is_refused_in_words(engine):
    plan = penstock.build(model(), device="cpu", optimization_level=0)
    with pytest.raises(penstock.InvalidArgumentError, match="built for cpu .* does not run on 'cuda:0'"):
        penstock.Engine(plan, device="cuda:0")
    with pytest.raises(penstock.UnsupportedError, match="cuda:99"):
        penstock.Engine(penstock.build(model(), device="cuda:0", optimization_level=0), device="cuda:99")


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_what_is_missing_is_said():
    with pytest.raises(penstock.UnsupportedError, match="driver|GPU|not installed"):
        penstock.build(model(), device="cuda:0")


NONZERO = """<ir_version: 10, opset_import: ["" : 21]>
  places (float[8, 8] x) => (int64[2, n] y) { a = Add(x, x)  y = NonZero(a) }"""


@needs_gpu
def test_nodes_that_the_cpu_runs_are_warned_about(tmp_path, caplog):
    plan = penstock.build(onnx.parser.parse_model(NONZERO), device="cuda:0", optimization_level=0)
    assert plan.summary.device == "cuda:0"
    assert plan.summary.warnings == ["1 of 2 nodes run on the CPU: NonZero (1); `penstock inspect` shows them"]
    assert plan.summary.warnings[0] in caplog.text
    layers = {layer["op"]: layer["device"] for layer in penstock.inspect(plan)["layers"]}
    assert layers["NonZero"] == "cpu" and "cuda" in layers.values()
    onnx.save(onnx.parser.parse_model(NONZERO), tmp_path / "m.onnx")
    built = command.penstock("build", tmp_path / "m.onnx", "-o", tmp_path / "m.plan", "--device", "cuda:0")
    assert "warning: 1 of 2 nodes run on the CPU: NonZero (1)" in built.stderr
    assert "on the CPU" in command.penstock("inspect", tmp_path / "m.plan").stdout
    assert command.penstock("run", tmp_path / "m.plan", "--device", "cuda:0").returncode == 0


# --- arrays of others -------------------------------------------------------------------------------------------------

class DlTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64),
                ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class DeviceArray:
    """A float32 array in a GPU's memory, as other packages give theirs away."""

    def __init__(self, device, array, number=0):
        self.memory, self.shape, self.number = device.allocate(array.nbytes), array.shape, number
        stream = device.create_stream()
        device.copy_in(self.memory.address, array.ctypes.data, array.nbytes, stream)
        stream.synchronize()
        self.extents = (ctypes.c_int64 * len(array.shape))(*array.shape)
        self.tensor = DlTensor(self.memory.address, 2, number, len(array.shape), 2, 32, 1, self.extents, None, 0, None, None)
        self.streams = []

    def __dlpack_device__(self):
        return 2, self.number

    def __dlpack__(self, stream=None):
        self.streams.append(stream)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self.tensor), b"dltensor", None)


@needs_gpu
def test_arrays_on_the_gpu_are_taken_where_they_are(device, engine):
    context, (x, w) = engine.create_context(), arrays()
    there, weights, y = DeviceArray(device, x), DeviceArray(device, w), DeviceArray(device, x * 0)
    close(context.run({"x": there, "w": w})["y"], right(x, w))
    assert there.streams == [1]
    context.set_input("x", there)
    context.set_input("w", weights)
    context.set_output("y", y)
    context.execute()
    close(context.output("y"), right(x, w))
    with pytest.raises(TypeError, match="in host memory or on cuda:0, got one on cuda:1"):
        context.set_input("x", DeviceArray(device, x, number=1))
    on_cpu = penstock.Engine(penstock.build(model(), device="cpu", optimization_level=0)).create_context()
    with pytest.raises(TypeError, match="in host memory, got one on cuda:0"):
        on_cpu.run({"x": there, "w": w})


@needs_gpu
@pytest.mark.skipif(ON_STANDIN, reason="PyTorch knows no stand-in")
def test_tensors_of_pytorch(device, engine):
    torch = pytest.importorskip("torch")
    context, (x, w) = engine.create_context(), arrays()
    tensors = {"x": torch.tensor(x, device="cuda:0"), "w": torch.tensor(w, device="cuda:0")}
    close(context.run(tensors)["y"], right(x, w))
    y = torch.empty_like(tensors["x"])
    context.set_input("x", tensors["x"])
    context.set_input("w", tensors["w"])
    context.set_output("y", y)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        stream = device.wrap_stream(side.cuda_stream)
        for _ in range(5):
            tensors["x"].add_(1)
            context.enqueue(stream)
            result = y.clone()
    side.synchronize()
    close(result.cpu().numpy(), right(x + 5, w))


# --- pycuda's and TensorRT's names ------------------------------------------------------------------------------------

def trt_engine(text=MODEL, **flags):
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(onnx.parser.parse_model(text).SerializeToString())
    config = builder.create_builder_config()
    config.builder_optimization_level = 0
    for flag in flags:
        config.set_flag(trt.BuilderFlag.__members__[flag])
    profile = builder.create_optimization_profile()
    if text is MODEL:
        profile.set_shape("x", (1, 64), (4, 64), (8, 64))
        config.add_optimization_profile(profile)
    return trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))


@needs_gpu
def test_pycudas_memory_and_streams_are_the_gpus():
    assert cuda.Device(0).name() == penstock.Device("cuda:0").product_name and cuda.Device.count() >= 1
    free, total = cuda.mem_get_info()
    assert 0 < free <= total
    memory, stream = cuda.mem_alloc(4096), cuda.Stream()
    assert penstock.Device("cuda:0").can_reach(int(memory)) and stream.handle
    locked = cuda.pagelocked_empty((32, 32), np.float32)
    locked[...] = np.arange(1024).reshape(32, 32)
    back = cuda.pagelocked_zeros_like(locked)
    begin, end = cuda.Event(), cuda.Event()
    begin.record(stream)
    cuda.memcpy_htod_async(memory, locked, stream)
    cuda.memcpy_dtoh_async(back, memory, stream)
    end.record(stream)
    stream.synchronize()
    assert end.query() and stream.is_done() and end.time_since(begin) >= 0
    np.testing.assert_array_equal(back, locked)
    cuda.memset_d32(memory, 7, 1024)
    np.testing.assert_array_equal(cuda.from_device(memory, 1024, np.uint32), np.full(1024, 7))
    with pytest.raises(cuda.LogicError, match="do not fit the 4096"):
        cuda.memcpy_htod(memory, np.zeros(4097, np.uint8))
    with pytest.raises(cuda.LogicError, match="memcpy_dtoh"):
        memory.as_buffer(16)
    memory.free()
    with pytest.raises(cuda.LogicError, match="freed"):
        int(memory)


@needs_gpu
@pytest.mark.parametrize("flags", [{}, {"FP16": True}])
def test_a_tensorrt_script_runs_on_the_gpu(flags):
    engine = trt_engine(**flags)
    assert engine._engine.device.name == cuda.device_in_use().name
    context, stream, (x, w) = engine.create_execution_context(), cuda.Stream(), arrays()
    context.set_input_shape("x", x.shape)
    memory = {"x": cuda.mem_alloc(x.nbytes), "w": cuda.to_device(w), "y": cuda.mem_alloc(x.nbytes)}
    for name, block in memory.items():
        context.set_tensor_address(name, int(block))
    results = []
    for seed in range(5):
        host = cuda.pagelocked_empty(x.shape, np.float32)
        result = cuda.pagelocked_empty(x.shape, np.float32)
        host[...] = arrays(seed=seed)[0]
        cuda.memcpy_htod_async(memory["x"], host, stream)
        assert context.execute_async_v3(stream.handle)
        cuda.memcpy_dtoh_async(result, memory["y"], stream)
        results.append((host, result))
    stream.synchronize()
    for host, result in results:
        np.testing.assert_allclose(result, right(host, w), rtol=2e-2 if flags else 1e-4, atol=2e-2 if flags else 1e-4)
    result[...] = 0
    assert context.execute_v2([int(memory[name]) for name in ("x", "w", "y")])
    cuda.memcpy_dtoh(result, memory["y"])
    np.testing.assert_allclose(result, right(host, w), rtol=2e-2 if flags else 1e-4, atol=2e-2 if flags else 1e-4)


@needs_gpu
def test_addresses_of_the_host_work_too():
    engine = trt_engine()
    context, (x, w), y = engine.create_execution_context(), arrays(), np.zeros((4, 64), np.float32)
    context.set_input_shape("x", x.shape)
    assert context.execute_v2([x.ctypes.data, w.ctypes.data, y.ctypes.data])
    close(y, right(x, w))


@needs_gpu
def test_inputs_may_be_overwritten_after_their_event():
    engine = trt_engine()
    context, stream, consumed = engine.create_execution_context(), cuda.Stream(), cuda.Event()
    x, w = arrays()
    host, w_there = cuda.pagelocked_empty(x.shape, np.float32), cuda.to_device(w)
    context.set_input_shape("x", x.shape)
    outputs = [cuda.mem_alloc(x.nbytes) for _ in range(3)]
    for seed, memory in enumerate(outputs):
        consumed.synchronize()
        host[...] = arrays(seed=seed)[0]
        assert context.execute_async_v2([host.ctypes.data, int(w_there), int(memory)], stream.handle, consumed)
    stream.synchronize()
    for seed, memory in enumerate(outputs):
        close(cuda.from_device(memory, x.shape, np.float32), right(arrays(seed=seed)[0], w))


@needs_gpu
def test_outputs_whose_shape_depends_on_data_are_written_to_the_gpu():
    engine = trt_engine(NONZERO)
    context, stream = engine.create_execution_context(), cuda.Stream()
    x = np.eye(8, dtype=np.float32)
    memory, found = cuda.to_device(x), cuda.mem_alloc(8 * 16)
    context.set_tensor_address("x", int(memory))
    context.set_tensor_address("y", int(found))
    assert context.execute_async_v3(stream.handle)
    stream.synchronize()
    assert tuple(context.get_tensor_shape("y")) == (2, 8)
    dtype = trt.nptype(engine.get_tensor_dtype("y"))
    np.testing.assert_array_equal(cuda.from_device(found, (2, 8), dtype), np.nonzero(x))


@needs_gpu
def test_a_script_with_cuda_python():
    engine = trt_engine()
    context, (x, w), y = engine.create_execution_context(), arrays(), np.zeros((4, 64), np.float32)
    context.set_input_shape("x", x.shape)
    stream = cudart.cudaStreamCreate()[1]
    kind = cudart.cudaMemcpyKind
    addresses = [cudart.cudaMalloc(array.nbytes)[1] for array in (x, w, y)]
    locked = cudart.cudaMallocHost(x.nbytes)[1]
    ctypes.memmove(locked, x.ctypes.data, x.nbytes)
    ok = cudart.cudaError_t.cudaSuccess
    to_device = kind.cudaMemcpyHostToDevice
    assert cudart.cudaMemcpyAsync(addresses[0], locked, x.nbytes, to_device, stream)[0] == ok
    assert cudart.cudaMemcpyAsync(addresses[1], w.ctypes.data, w.nbytes, to_device, stream)[0] == ok
    for name, address in zip(("x", "w", "y"), addresses):
        context.set_tensor_address(name, address)
    assert context.execute_async_v3(stream)
    assert cudart.cudaMemcpyAsync(y.ctypes.data, addresses[2], y.nbytes, kind.cudaMemcpyDeviceToHost, stream)[0] == ok
    assert cudart.cudaStreamSynchronize(stream)[0] == ok
    close(y, right(x, w))
    assert all(cudart.cudaFree(address)[0] == ok for address in addresses) and cudart.cudaFreeHost(locked)[0] == ok


@needs_gpu
def test_an_engine_for_the_cpu_says_what_to_do():
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    lines = []
    logger.log = lambda severity, line: lines.append(line)
    plan = penstock.build(model(), device="cpu", optimization_level=0)
    assert trt.Runtime(logger).deserialize_cuda_engine(bytes(plan)) is None
    assert "PENSTOCK_DEVICE=cpu" in lines[0]
