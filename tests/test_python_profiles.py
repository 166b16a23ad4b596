# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Several profiles in one plan, shape inputs, and outputs that are written where the caller says."""
import numpy as np
import onnx.parser
import pytest
import small_models

import penstock

RESHAPE = """
  <ir_version: 10, opset_import: ["" : 21]>
  reshape (float[12] x, int64[2] shape) => (float[rows, columns] y) { z = Reshape(x, shape)  y = Relu(z) }"""
NONZERO = """
  <ir_version: 10, opset_import: ["" : 21]>
  nonzero (float[n] x) => (int64[1, found] y) { y = NonZero(x) }"""
X = np.arange(12, dtype=np.float32)


def parsed(text, **options):
    return penstock.Engine(penstock.build(onnx.parser.parse_model(text), optimization_level=0, **options))


def batches(low, usual, high):
    return penstock.Profile(*({"images": (rows, 3, 16, 16)} for rows in (low, usual, high)))


def images(rows):
    return np.random.default_rng(rows).standard_normal((rows, 3, 16, 16), np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_models.conv_net(tmp_path_factory.mktemp("models") / "small.onnx")


@pytest.fixture(scope="module")
def plan(model):
    return penstock.build(model, profiles=[batches(1, 1, 1), batches(2, 8, 8)], optimization_level=0)


def test_profiles_share_the_weights(model, plan):
    one = penstock.build(model, optimization_level=0)
    assert plan.summary.profiles == 2 and one.summary.profiles == 1
    assert plan.summary.weight_bytes == one.summary.weight_bytes
    assert bytes(plan) == bytes(penstock.build(model, profiles=[batches(1, 1, 1), batches(2, 8, 8)], optimization_level=0))


def test_an_engine_tells_its_profiles(plan):
    engine = penstock.Engine(plan)
    assert engine.profiles == [{"images": ((1, 3, 16, 16),) * 3}, {"images": ((2, 3, 16, 16),) + ((8, 3, 16, 16),) * 2}]
    assert engine.profile == engine.profiles[0] and engine.profile_values == [{}, {}]


def test_inspect_tells_each_profile(plan):
    facts = penstock.inspect(plan)
    first, second = facts["profiles"]
    assert first["profile"]["images"]["opt"] == [1, 3, 16, 16] and second["profile"]["images"]["opt"] == [8, 3, 16, 16]
    assert first["memory"]["peak_bytes"] < second["memory"]["peak_bytes"]
    assert second["kernel_count"] == len(second["layers"]) and any(layer["candidates"] for layer in second["layers"])
    assert {key: facts[key] for key in first} == first


def test_a_context_takes_the_profile_that_fits_or_stays_with_one(plan, model):
    wanted = penstock.Engine(penstock.build(model, optimization_level=0)).create_context()
    context = penstock.Engine(plan).create_context()
    assert context.optimization_profile is None
    for rows in (1, 8, 2, 1):
        answer = context.run({"images": images(rows)})["logits"]
        np.testing.assert_array_equal(answer, wanted.run({"images": images(rows)})["logits"])
        assert context.optimization_profile == (rows > 1)
    context.set_optimization_profile(1)
    with pytest.raises(penstock.InvalidArgumentError, match="outside profile 1, 2 to 8"):
        context.run({"images": images(1)})
    context.set_optimization_profile(None)
    assert context.run({"images": images(1)})["logits"].shape == (1, 10)
    with pytest.raises(ValueError, match=r"outside every profile: profile 0 takes \[1, 3, 16, 16\] to .*; profile 1 takes"):
        context.run({"images": images(9)})
    with pytest.raises(ValueError, match="no profile 2; the plan has 2"):
        context.set_optimization_profile(2)
    with pytest.raises(ValueError, match="no profile 7"):
        penstock.Engine(plan).create_context(profile=7)
    assert penstock.Engine(plan).create_context(profile=1).optimization_profile == 1


@pytest.mark.parametrize("options, error, message", [
    ({"profiles": penstock.Profile()}, TypeError, "profiles: expected a list of penstock.Profile"),
    ({"profiles": [{"x": 1}]}, TypeError, "expected a penstock.Profile"),
    ({"profiles": [penstock.Profile()], "profile": penstock.Profile()}, ValueError, "give one of them"),
    ({"profiles": [penstock.Profile(), penstock.Profile(max={"image": (1,)})]}, ValueError, "profile 1: .*'image'"),
    ({"profile": penstock.Profile(values={"shape": 1})}, TypeError, r"values of input 'shape': expected a tuple \(min, opt"),
    ({"profile": penstock.Profile(values={"shape": ((1,), (1,), (1,))})}, ValueError, "1 values .* for 2 elements"),
    ({"profile": penstock.Profile(values={"x": ((1,), (1,), (1,))})}, ValueError, "'x': values are for an int32 or int64"),
])
def test_profiles_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        parsed(RESHAPE, **options)


def test_values_tell_shapes_before_the_run():
    engine = parsed(RESHAPE, profile=penstock.Profile(values={"shape": ((1, 1), (3, 4), None)}))
    assert engine.profile_values == [{"shape": ((1, 1), (3, 4), None)}]
    context = engine.create_context()
    shape, y = np.array([3, 4]), np.zeros((3, 4), np.float32)
    assert context.shape("y") == (-1, -1)
    context.set_input("x", X)
    context.set_input("shape", shape)
    assert context.shape("y") == (3, 4)
    context.set_output("y", y)
    context.execute()
    assert y.tolist() == X.reshape(3, 4).tolist()
    shape[:] = 2, 6  # the bound array has the shape of before
    with pytest.raises(ValueError, match=r"the array's shape is \[3, 4\], these inputs give \[2, 6\]"):
        context.execute()
    assert context.run({"x": X, "shape": shape})["y"].shape == (2, 6)
    with pytest.raises(ValueError, match=r"'shape' holds \[12, 0\]: value 1 is outside the profile, 1 to any"):
        context.run({"x": X, "shape": np.array([12, 0])})


def test_shapes_that_can_only_be_values_are_values():
    engine = parsed(RESHAPE, profile=penstock.Profile(opt={"shape": (3, 4)}, max={"shape": (12, 12)}))
    assert engine.profile_values == [{"shape": ((1, 1), (3, 4), (12, 12))}] and engine.profile == {}


def test_comparing_and_inspecting_take_the_opt_values():
    profile = penstock.Profile(values={"shape": ((1, 1), (3, 4), (12, 12))})
    comparison = penstock.compare(onnx.parser.parse_model(RESHAPE), profile=profile, optimization_level=0)
    assert comparison.first_over is None


def test_an_input_shape_stays_until_set_again(plan):
    context = penstock.Engine(plan).create_context()
    context.set_input_shape("images", (4, 3, 16, 16))
    assert context.shape("logits") == (4, 10)
    given, result = images(4), np.zeros((4, 10), np.float32)
    context.set_input("images", given)
    context.set_output("logits", result)
    context.execute()
    assert result.any()
    context.set_input_shape("images", (5, 3, 16, 16))  # the array is too small: it is forgotten
    assert context.shape("logits") == (5, 10)
    with pytest.raises(ValueError, match="these inputs give"):
        context.execute()
    context.set_output("logits", None)
    with pytest.raises(ValueError, match="'images' has no address"):
        context.execute()
    for wrong, message in (((4, 3, 16), "rank 3"), ((9, 3, 16, 16), "outside every profile")):
        with pytest.raises(ValueError, match=message):
            context.set_input_shape("images", wrong)
    with pytest.raises(TypeError, match="sequence of integers"):
        context.set_input_shape("images", 4)


def test_an_allocator_gives_the_array_of_an_output():
    context = parsed(NONZERO).create_context()
    given = []

    def allocate(shape):
        given.append(np.zeros(shape, np.int64))
        return given[-1]
    context.set_output_allocator("y", allocate)
    for count in (3, 5):
        x = np.ones(count, np.float32)
        assert context.run({"x": x})["y"] is given[-1]
        assert given[-1].tolist() == [list(range(count))]
    context.set_output_allocator("y", lambda shape: np.zeros(shape, np.float32))
    with pytest.raises(TypeError, match="int64"):
        context.run({"x": x})
    context.set_output_allocator("y", lambda shape: np.zeros((1, 1), np.int64))
    with pytest.raises(ValueError, match="allocator gave|shape"):
        context.run({"x": x})
    context.set_output_allocator("y", lambda shape: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        context.run({"x": x})
    context.set_output_allocator("y", None)
    assert context.run({"x": x})["y"].shape == (1, 5) and len(given) == 2
    with pytest.raises(TypeError, match="allocator: expected a function"):
        context.set_output_allocator("y", 1)


def test_an_allocator_is_for_shapes_that_only_the_run_tells(plan):
    with pytest.raises(ValueError, match="follows from the inputs"):
        penstock.Engine(plan).create_context().set_output_allocator("logits", np.zeros)
