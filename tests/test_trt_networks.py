# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Networks of penstock.trt: each layer made by hand against NumPy, and edits of parsed models."""
import math
import sys

import numpy as np
import onnx
import pytest
from trt_helpers import EXPLICIT_BATCH, Messages, close, expected, images, logger, model, random, run_engine, run_network  # noqa: F401

import penstock.trt as trt


# --- networks by hand ------------------------------------------------------------------------------------------------

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
    "resize to corners": (lambda n, x: out(n.add_resize(x), shape=(2, 3, 7, 5), align_corners=True,
                                           resize_mode=trt.InterpolationMode.LINEAR), [X],
                          np.stack([(X[:, :, i // 2] + X[:, :, (i + 1) // 2]) / 2 for i in range(7)], 2)),
    "resize by scales": (lambda n, x: out(n.add_resize(x), scales=(1, 1, 2, 1)), [X], X.repeat(2, 2)),
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
