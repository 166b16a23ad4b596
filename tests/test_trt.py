# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""penstock.trt and penstock.cuda: scripts of TensorRT 8 and 10, as they are written, and what they get for mistakes."""
import json
import math
import pathlib
import runpy
import sys

import numpy as np
import onnx
import pytest
import small_models

import penstock.cuda as cuda
import penstock.cuda.autoinit  # noqa: F401  (as scripts do)
import penstock.trt as trt
from penstock import cudart

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


# --- networks by hand ------------------------------------------------------------------------------------------------

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


def test_a_classifier_made_by_hand_agrees_with_numpy():
    w1, b1, w2 = random(4, 1, 3, 3), random(4, seed=1), random(10, 4 * 13 * 13, seed=2)
    x = random(2, 1, 28, 28, seed=3)

    def make(network, image):
        conv = network.add_convolution_nd(image, 4, (3, 3), trt.Weights(w1), trt.Weights(b1))
        conv.stride_nd = (1, 1)
        assert tuple(conv.get_output(0).shape) == (2, 4, 26, 26)
        relu = network.add_activation(conv.get_output(0), trt.ActivationType.RELU)
        pool = network.add_pooling_nd(relu.get_output(0), trt.PoolingType.MAX, trt.DimsHW(2, 2))
        pool.stride_nd = trt.Dims2(2, 2)
        flat = network.add_shuffle(pool.get_output(0))
        flat.reshape_dims = (0, -1)
        weights = network.add_constant(w2.shape, w2)
        product = network.add_matrix_multiply(flat.get_output(0), trt.MatrixOperation.NONE, weights.get_output(0),
                                              trt.MatrixOperation.TRANSPOSE)
        softmax = network.add_softmax(product.get_output(0))
        softmax.axes = 1 << 1
        assert network.num_layers == 7 and network[0].type == trt.LayerType.CONVOLUTION
        return softmax.get_output(0)

    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), axis=(1, 2))
    conv = np.maximum(np.einsum("nhwij,kij->nkhw", windows, w1[:, 0]) + b1[:, None, None], 0)
    pooled = conv.reshape(2, 4, 13, 2, 13, 2).max(axis=(3, 5)).reshape(2, -1)
    scores = np.exp(pooled @ w2.T - (pooled @ w2.T).max(axis=1, keepdims=True))
    close(run_network(make, [x])[0], scores / scores.sum(axis=1, keepdims=True))


X = random(2, 3, 4, 5)
Y = random(2, 3, 4, 5, seed=1)
POSITIVE = np.abs(X) + 0.5
SCALES = np.float32([0.02, 0.01, 0.05])[:, None, None]
erf = np.vectorize(math.erf)
A, E, U, R = trt.ActivationType, trt.ElementWiseOperation, trt.UnaryOperation, trt.ReduceOperation


def activation(kind, alpha=0.0, beta=0.0):
    def make(network, x):
        layer = network.add_activation(x, kind)
        layer.alpha, layer.beta = alpha, beta
        return layer.get_output(0)
    return make


def out(layer, **settings):
    for name, value in settings.items():
        setattr(layer, name, value)
    return layer.get_output(0)


LAYERS = {
    "relu": (activation(A.RELU), [X], np.maximum(X, 0)),
    "leaky": (activation(A.LEAKY_RELU, 0.1), [X], np.where(X > 0, X, 0.1 * X)),
    "elu": (activation(A.ELU, 0.5), [X], np.where(X > 0, X, 0.5 * np.expm1(X))),
    "selu": (activation(A.SELU, 1.5, 2), [X], np.where(X > 0, 2 * X, 2 * (1.5 * np.exp(X) - 1.5))),
    "softsign": (activation(A.SOFTSIGN), [X], X / (1 + np.abs(X))),
    "softplus": (activation(A.SOFTPLUS, 2, 0.5), [X], 2 * np.log1p(np.exp(0.5 * X))),
    "clip": (activation(A.CLIP, -0.5, 0.25), [X], np.clip(X, -0.5, 0.25)),
    "hard sigmoid": (activation(A.HARD_SIGMOID, 0.3, 0.4), [X], np.clip(0.3 * X + 0.4, 0, 1)),
    "scaled tanh": (activation(A.SCALED_TANH, 2, 0.5), [X], 2 * np.tanh(0.5 * X)),
    "thresholded": (activation(A.THRESHOLDED_RELU, 0.3), [X], np.where(X > 0.3, X, 0)),
    "gelu erf": (activation(A.GELU_ERF), [X], 0.5 * X * (1 + erf(X / math.sqrt(2)))),
    "gelu tanh": (activation(A.GELU_TANH), [X], 0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))),
    "floor div": (lambda n, x, y: out(n.add_elementwise(x, y, E.FLOOR_DIV)), [X, Y], np.floor(X / Y)),
    "integer floor div": (lambda n, x, y: out(n.add_elementwise(x, y, E.FLOOR_DIV)),
                          [np.int32([7, -7, 7, -7, 6]), np.int32([2, 2, -2, -2, 3])], np.int32([3, -4, -4, 3, 2])),
    "greater": (lambda n, x, y: out(n.add_elementwise(x, y, E.GREATER)), [X, Y], X > Y),
    "pow": (lambda n, x, y: out(n.add_elementwise(x, y, E.POW)), [POSITIVE, Y], POSITIVE**Y),
    "recip": (lambda n, x: out(n.add_unary(x, U.RECIP)), [POSITIVE], 1 / POSITIVE),
    "isnan": (lambda n, x: out(n.add_unary(x, U.ISNAN)), [np.float32([1, np.nan])], np.array([False, True])),
    "mean": (lambda n, x: out(n.add_reduce(x, R.AVG, 0b1100, True)), [X], X.mean((2, 3), keepdims=True)),
    "sum": (lambda n, x: out(n.add_reduce(x, R.SUM, 0b0010, False)), [X], X.sum(1)),
    "softmax": (lambda n, x: out(n.add_softmax(x)), [X], np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    "concatenation": (lambda n, x, y: out(n.add_concatenation([x, y]), axis=2), [X, Y], np.concatenate([X, Y], 2)),
    "scale": (lambda n, x: out(n.add_scale(x, trt.ScaleMode.CHANNEL, np.float32([1, 2, 3]), np.float32([4, 5, 6]))), [X],
              X * np.float32([4, 5, 6])[:, None, None] + np.float32([1, 2, 3])[:, None, None]),
    "scale by one": (lambda n, x: out(n.add_scale(x, trt.ScaleMode.UNIFORM, scale=np.float32([2]), power=np.float32([2]))),
                     [X], (2 * X)**2),
    "shuffle": (lambda n, x: out(n.add_shuffle(x), first_transpose=(0, 2, 3, 1), reshape_dims=(0, -1, 3),
                                 second_transpose=trt.Permutation([0, 2, 1])), [X],
                X.transpose(0, 2, 3, 1).reshape(2, 20, 3).transpose(0, 2, 1)),
    "slice": (lambda n, x: out(n.add_slice(x, (0, 1, 0, 4), (2, 2, 2, 5), (1, 1, 2, -1))), [X], X[:, 1:3, 0:4:2, ::-1]),
    "padding": (lambda n, x: out(n.add_padding_nd(x, (1, 2), (0, -1))), [X],
                np.pad(X, ((0, 0), (0, 0), (1, 0), (2, 0)))[..., :-1]),
    "gather": (lambda n, x, i: out(n.add_gather(x, i, 2)), [X, np.int32([2, 0])], X[:, :, [2, 0]]),
    "gather elements": (lambda n, x, i: out(n.add_gather_v2(x, i, trt.GatherMode.ELEMENT), axis=1),
                        [X[0, 0], np.int32([[1], [0], [4], [2]])],
                        np.take_along_axis(X[0, 0], np.int32([[1], [0], [4], [2]]), 1)),
    "select": (lambda n, c, x, y: out(n.add_select(c, x, y)), [X > 0, X, Y], np.where(X > 0, X, Y)),
    "cast": (lambda n, x: out(n.add_cast(x, trt.int32)), [X * 3], (X * 3).astype(np.int32)),
    "identity": (lambda n, x: out(n.add_identity(x)), [X], X),
    "shape": (lambda n, x: out(n.add_shape(x)), [X], np.int64([2, 3, 4, 5])),
    "einsum": (lambda n, x, y: out(n.add_einsum([x, y], "nchw,nchv->ncwv")), [X, Y], np.einsum("nchw,nchv->ncwv", X, Y)),
    "prelu": (lambda n, x, s: out(n.add_parametric_relu(x, s)), [X, POSITIVE[:1, :, :1, :1]],
              np.where(X > 0, X, X * POSITIVE[:1, :, :1, :1])),
    "vector": (lambda n, x, v: out(n.add_matrix_multiply(x, trt.MatrixOperation.NONE, v, trt.MatrixOperation.VECTOR)),
               [X[0], Y[0, :, 0]], np.einsum("chw,cw->ch", X[0], Y[0, :, 0])),
    "average pool": (lambda n, x: out(n.add_pooling_nd(x, trt.PoolingType.AVERAGE, (2, 2)), stride_nd=(2, 1)), [X],
                     (X[:, :, ::2, :-1] + X[:, :, 1::2, :-1] + X[:, :, ::2, 1:] + X[:, :, 1::2, 1:]) / 4),
    "deconvolution": (lambda n, x: out(n.add_deconvolution_nd(x, 2, (2, 2), np.ones((3, 2, 2, 2), np.float32)),
                                       stride_nd=(2, 2)), [X],
                      np.repeat(np.kron(X.sum(1), np.ones((2, 2), np.float32))[:, None], 2, 1)),
    "fully connected": (lambda n, x: out(n.add_fully_connected(x, 6, random(6, 60), random(6, seed=1))), [X],
                        (X.reshape(2, 60) @ random(6, 60).T + random(6, seed=1)).reshape(2, 6, 1, 1)),
    "resize": (lambda n, x: out(n.add_resize(x), shape=(2, 3, 8, 10)), [X], X.repeat(2, 2).repeat(2, 3)),
    "one hot": (lambda n, i: out(n.add_one_hot(i, n.add_constant((2,), np.float32([0, 3])).get_output(0),
                                               n.add_constant((), np.int32(3)).get_output(0), -1)),
                [np.int32([2, 0])], np.float32([[0, 0, 3], [3, 0, 0]])),
    "cumulative": (lambda n, x: out(n.add_cumulative(x, n.add_constant((), np.int32(1)).get_output(0),
                                                     trt.CumulativeOperation.SUM, False, False)), [X], X.cumsum(1)),
    "squeeze": (lambda n, x: out(n.add_squeeze(x, [1])), [X[:, :1]], X[:, 0]),
    "unsqueeze": (lambda n, x: out(n.add_unsqueeze(x, [0])), [X], X[None]),
    "layer norm": (lambda n, x, s, b: out(n.add_normalization(x, s, b, 0b1000)), [X, Y[:1, :1, :1], X[:1, :1, :1]],
                   (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-5) * Y[:1, :1, :1] + X[:1, :1, :1]),
    "quantize": (lambda n, x, s: out(n.add_dequantize(out(n.add_quantize(x, s)), s)), [X, np.float32([0.02])],
                 np.clip(np.round(X / np.float32(0.02)), -128, 127) * np.float32(0.02)),
    "quantize an axis": (lambda n, x, s: out(n.add_dequantize(out(n.add_quantize(x, s), axis=1), s), axis=1),
                         [X, np.float32([0.02, 0.01, 0.05])],
                         np.clip(np.round(X / SCALES), -128, 127) * SCALES),
    "linspace": (lambda n: out(n.add_fill((5,), trt.FillOperation.LINSPACE), alpha=1.0, beta=0.5), [],
                 np.float32([1, 1.5, 2, 2.5, 3])),
    "reverse sequence": (lambda n, x, k: out(n.add_reverse_sequence(x, k)), [X[0, 0], np.int32([4, 1, 2, 3, 1])],
                         np.stack([np.r_[X[0, 0, :k, i][::-1], X[0, 0, k:, i]] for i, k in enumerate([4, 1, 2, 3, 1])], 1)),
    "scatter": (lambda n, d, i, u: out(n.add_scatter(d, i, u, trt.ScatterMode.ND)), [X[0, 0], np.int32([[1]]), Y[0, 0, :1]],
                np.r_[X[0, 0, :1], Y[0, 0, :1], X[0, 0, 2:]]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_numpy(name):
    make, inputs, wanted = LAYERS[name]
    operator = {"einsum": "Einsum", "quantize": "QuantizeLinear", "quantize an axis": "QuantizeLinear"}.get(name, "Relu")
    if not trt.OnnxParser(None, Messages()).supports_operator(operator):
        pytest.skip(f"no {operator} in this build")
    (ours,) = run_network(make, inputs)
    assert ours.dtype == wanted.dtype or wanted.dtype == np.float64
    close(ours, wanted)


def test_a_network_is_an_onnx_model_that_others_run():
    import onnxruntime
    network = trt.Builder(Messages()).create_network()
    gelu = activation(A.GELU_ERF)(network, network.add_input("x", trt.float32, (2, 3, -1, 5)))
    gelu.name = "y"
    network.mark_output(gelu)
    model = onnx.load_from_string(network.serialize())
    assert [node.name for node in model.graph.node][-1] == network.get_layer(0).name
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    close(session.run(None, {"x": X})[0], LAYERS["gelu erf"][2])


def test_topk_gives_values_and_indices():
    def make(network, x):
        layer = network.add_topk(x, trt.TopKOperation.MAX, 2, 1 << 3)
        return [layer.get_output(0), layer.get_output(1)]
    values, indices = run_network(make, [X])
    close(values, np.sort(X, -1)[..., :-3:-1])
    assert indices.dtype == np.int32
    np.testing.assert_array_equal(indices, np.argsort(X, -1)[..., :-3:-1])


# --- edits of parsed models ------------------------------------------------------------------------------------------

@pytest.fixture
def parsed(model, logger):
    builder = trt.Builder(logger)
    network = builder.create_network(EXPLICIT_BATCH)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse_from_file(str(model))
    config = builder.create_builder_config()
    config.builder_optimization_level = 0
    return network, lambda: builder.build_engine(network, config)


def test_a_value_inside_a_parsed_model_becomes_an_output(parsed, expected):
    network, make = parsed
    assert [layer.name for layer in network] == ["conv1", "relu1", "conv2", "mean", "classes"]
    assert [layer.type for layer in network][:2] == [trt.LayerType.CONVOLUTION, trt.LayerType.ACTIVATION]
    network.mark_output(network.get_layer(1).get_output(0))
    logits, relu = run_engine(make(), [images()])
    close(logits, expected(images()))
    assert relu.shape == (2, 8, 16, 16) and relu.min() == 0
    network.unmark_output(network.get_output(0))
    assert [tensor.name for tensor in (network.get_output(i) for i in range(network.num_outputs))] == ["r1"]
    close(run_engine(make(), [images()])[0], relu)


def test_a_parsed_layer_keeps_its_node_whatever_class_a_script_gives_it(parsed, expected):
    network, make = parsed
    for layer in network:
        if layer.type == trt.LayerType.CONVOLUTION:
            layer.__class__ = trt.IConvolutionLayer
            with pytest.raises(NotImplementedError, match="IConvolutionLayer.num_groups is .*'conv.' was parsed"):
                layer.num_groups = 2
        elif layer.type == trt.LayerType.ACTIVATION:
            layer.__class__ = trt.IActivationLayer
            assert layer.type == trt.ActivationType.RELU
    network.name = "renamed"
    close(run_engine(make(), [images()])[0], expected(images()))


def test_layers_are_added_to_a_parsed_model(parsed, expected):
    network, make = parsed
    logits = network.get_output(0)
    network.unmark_output(logits)
    top = network.add_topk(logits, trt.TopKOperation.MAX, 1, 1 << 1)
    top.get_output(1).name = "best"
    network.mark_output(top.get_output(1))
    (best,) = run_engine(make(), [images(4)])
    np.testing.assert_array_equal(best[:, 0], expected(images(4)).argmax(1))


def test_names_shapes_and_types_of_a_parsed_model_change(parsed, expected):
    network, make = parsed
    network.get_input(0).name = "pixels"
    network.get_input(0).shape = (3, 3, 16, 16)
    network.get_input(0).dtype = trt.float16
    network.get_output(0).dtype = trt.float16
    engine = make()
    assert engine[0] == "pixels" and tuple(engine.get_tensor_shape("logits")) == (3, 10)
    assert engine.get_tensor_dtype("pixels") == engine.get_tensor_dtype("logits") == trt.float16
    half = images(3).astype(np.float16)
    (logits,) = run_engine(engine, [half])
    np.testing.assert_allclose(logits, expected(half.astype(np.float32)), rtol=2e-3, atol=2e-3)


def test_weights_beside_a_model_are_found_also_when_it_is_edited(model, tmp_path, expected, logger):
    proto = onnx.load(model)
    path = tmp_path / "outside.onnx"
    onnx.save_model(proto, path, save_as_external_data=True, location="weights", size_threshold=0)
    for edit in (False, True):
        for parse in (lambda parser: parser.parse_from_file(str(path)),
                      lambda parser: parser.parse(path.read_bytes(), path=str(path))):
            builder = trt.Builder(logger)
            network = builder.create_network()
            assert parse(trt.OnnxParser(network, logger)), logger.text()
            if edit:
                network.get_input(0).name = "pixels"
            engine = builder.build_engine(network, builder.create_builder_config())
            assert engine is not None, logger.text()
            close(run_engine(engine, [images()])[0], expected(images()))


def test_parsing_and_building_do_without_onnx_and_the_rest_says_so(model, logger, monkeypatch):
    for name in [name for name in sys.modules if name == "onnx" or name.startswith("onnx.")]:
        monkeypatch.setitem(sys.modules, name, None)
    builder = trt.Builder(logger)
    network = builder.create_network()
    assert trt.OnnxParser(network, logger).parse_from_file(str(model))
    assert builder.build_serialized_network(network, builder.create_builder_config()) is not None
    with pytest.raises(NotImplementedError, match="pip install onnx"):
        network.get_input(0)


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


def test_fp16_runs_in_fp32_with_a_note_and_int8_says_that_it_is_not_there(logger):
    config = trt.Builder(logger).create_builder_config()
    config.set_flag(trt.BuilderFlag.FP16)
    assert config.get_flag(trt.BuilderFlag.FP16) and "runs in FP32" in logger.text()
    config.clear_flag(trt.BuilderFlag.FP16)
    assert not config.get_flag(trt.BuilderFlag.FP16)
    with pytest.raises(NotImplementedError, match="BuilderFlag.INT8 is not supported .*INT8 is not there yet"):
        config.set_flag(trt.BuilderFlag.INT8)

    class Calibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)
    with pytest.raises(NotImplementedError, match="IBuilderConfig.int8_calibrator"):
        config.int8_calibrator = Calibrator()
    config.int8_calibrator = None
    assert config.int8_calibrator is None and config.DLA_core == -1


def test_a_second_profile_says_that_there_is_one(logger):
    builder = trt.Builder(logger)
    config = builder.create_builder_config()
    assert config.add_optimization_profile(builder.create_optimization_profile()) == 0
    with pytest.raises(NotImplementedError, match="add_optimization_profile.*1 profile"):
        config.add_optimization_profile(builder.create_optimization_profile())


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


# --- the page ----------------------------------------------------------------------------------------------------------

def rows_of_the_page():
    """(name, here) of every row of docs/tensorrt.md."""
    for line in (ROOT / "docs/tensorrt.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[2] in ("works", "kept", "not supported"):
            holder, _, members = cells[1].replace("`", "").rpartition(": ")
            for name in members.split(", "):
                yield (f"{holder}.{name}" if holder else name), cells[2]
            if holder and cells[2] != "not supported":
                yield holder, cells[2]


def found(name):
    """The object that a name of the page stands for."""
    value = trt
    for part in name.split("."):
        value = getattr(value, part)
    return value


def raises_not_supported(name):
    holder, *rest = name.split(".")
    try:
        if not rest:
            getattr(trt, holder)
        elif holder == "BuilderFlag":
            trt.Builder(Messages()).create_builder_config().set_flag(trt.BuilderFlag[rest[0]])
        else:
            kind = getattr(trt, holder)
            instance = kind.__new__(kind)
            getattr(instance, rest[0])
            setattr(instance, rest[0], 1)  # what is there can be read
    except trt.NotSupportedError as error:
        return name in str(error)
    return False


def test_the_page_tells_what_is_so():
    rows = dict(rows_of_the_page())
    assert len(rows) > 500
    wrong = [name for name, here in rows.items() if here == "not supported" and not raises_not_supported(name)]
    for name in (name for name, here in rows.items() if here != "not supported"):
        try:
            found(name)
        except AttributeError:
            wrong.append(name)
    assert not wrong


def test_the_page_names_everything_that_is_here():
    rows = dict(rows_of_the_page())
    public = {name for name in vars(trt) if not name.startswith("_") and isinstance(getattr(trt, name), type)}
    assert not sorted(public - set(rows))
