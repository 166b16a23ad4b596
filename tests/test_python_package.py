# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The package penstock: builds, runs, arrays in and out, and errors that leave a context usable."""
import json
import pickle
import subprocess
import sys
import threading
import time

import command
import numpy as np
import onnx
import pytest
import small_models

import penstock


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_models.conv_net(tmp_path_factory.mktemp("models") / "small.onnx")


@pytest.fixture(scope="module")
def plan(model):
    return penstock.build(model, optimization_level=0)


@pytest.fixture
def context(plan):
    return penstock.Engine(plan).create_context()


def images(rows=2, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, 3, 16, 16), np.float32)


@pytest.fixture(scope="module")
def expected(model):
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(None, {"images": arrays})[0]


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_path_bytes_and_a_model_proto_give_the_same_plan(model, plan):
    for source in (str(model), model.read_bytes(), onnx.load(model)):
        assert bytes(penstock.build(source, optimization_level=0)) == bytes(plan)
    assert plan.summary.onnx_nodes == 5
    assert len(plan) == plan.summary.plan_bytes == len(memoryview(plan))


def test_a_plan_opens_from_a_file_from_bytes_and_from_a_pickle(plan, tmp_path, expected):
    plan.save(tmp_path / "small.plan")
    assert (tmp_path / "small.plan").read_bytes() == bytes(plan)
    for source in (tmp_path / "small.plan", str(tmp_path / "small.plan"), bytes(plan), pickle.loads(pickle.dumps(plan))):
        outputs = penstock.Engine(source).create_context().run({"images": images()})
        close(outputs["logits"], expected(images()))


def test_an_engine_describes_its_tensors(plan):
    engine = penstock.Engine(plan)
    (tensor,) = engine.inputs
    assert (tensor.name, tensor.dtype, tensor.shape) == ("images", np.float32, (-1, 3, 16, 16))
    assert tensor.dims == ("batch", "3", "16", "16")
    assert engine.outputs[0].name == "logits"
    assert engine.profile == {"images": ((0, 3, 16, 16), (1, 3, 16, 16), (-1, 3, 16, 16))}


def test_profile_limits_shapes(model):
    profile = penstock.Profile(opt={"images": (2, 3, 16, 16)}, max={"images": (4, 3, 16, 16)})
    context = penstock.Engine(penstock.build(model, profile=profile, optimization_level=0)).create_context()
    context.run({"images": images(4)})
    with pytest.raises(penstock.InvalidArgumentError, match="extent 0 is outside the profile, 0 to 4"):
        context.run({"images": images(5)})


def test_run_takes_other_shapes_in_turn(context, expected):
    for rows in (1, 3, 2, 3):
        close(context.run({"images": images(rows)})["logits"], expected(images(rows)))


def test_run_writes_given_outputs_in_place(context, expected):
    logits = np.empty((2, 10), np.float32)
    outputs = context.run({"images": images()}, outputs={"logits": logits})
    assert outputs["logits"] is logits
    close(logits, expected(images()))


def test_bound_arrays_are_read_and_written_in_place(context, expected):
    source, target = images(), np.empty((2, 10), np.float32)
    context.set_input("images", source)
    context.set_output("logits", target)
    for seed in range(3):
        source[:] = images(seed=seed)
        context.execute()
        close(target, expected(source))
    assert context.shape("logits") == (2, 10)


def test_enqueued_runs_end_by_wait(context, plan, expected):
    stream = penstock.Engine(plan).create_stream()
    target = np.empty((2, 10), np.float32)
    context.set_input("images", images())
    context.set_output("logits", target)
    for _ in range(20):
        context.enqueue(stream)
    context.wait()
    close(target, expected(images()))


def test_a_context_outlives_what_it_was_made_from(plan, expected):
    context = penstock.Engine(bytes(plan)).create_context()
    context.set_input("images", images())  # nobody else holds the array
    context.execute()
    close(context.output("logits"), expected(images()))


class Exporter:
    """An array seen through DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_and_buffers_are_taken_where_they_are(context, expected):
    target = np.zeros((2, 10), np.float32)
    context.run({"images": Exporter(images())}, outputs={"logits": Exporter(target)})
    close(target, expected(images()))
    flat = bytearray(images().tobytes())
    view = memoryview(flat).cast("f", (2, 3, 16, 16))
    close(context.run({"images": view})["logits"], expected(images()))


def read_only(array):
    array.flags.writeable = False
    return array


def unaligned(array):
    return np.frombuffer(b"x" + array.tobytes(), np.float32, offset=1).reshape(array.shape)


SHARED = images()
WRONG = [
    ({"images": [1.0, 2.0]}, None, TypeError, "input 'images': expected a row-major float32 array .*got list"),
    ({"images": None}, None, TypeError, "input 'images': expected .* got NoneType"),
    ({"images": images().astype(np.float64)}, None, TypeError, "input 'images': expected .* float32 .* got float64"),
    ({"images": images().astype(object)}, None, TypeError, "input 'images': expected .* got object"),
    ({"images": images().astype(">f4")}, None, TypeError, "input 'images': expected .* got >f4"),
    ({"images": images()[:, :, ::2]}, None, ValueError, "input 'images': .* other strides; numpy.ascontiguousarray"),
    ({"images": np.asfortranarray(images())}, None, ValueError, "input 'images': .* other strides"),
    ({"images": unaligned(images())}, None, ValueError, "input 'images': .* address is not a multiple"),
    ({"images": images()[0]}, None, ValueError, "input 'images' of shape .* has rank 3"),
    ({"images": images()[..., :8].copy()}, None, ValueError, "input 'images' .* extent 3 must be 16"),
    ({}, None, ValueError, "input 'images' is missing"),
    ({"image": images()}, None, ValueError, "no input is named 'image'; there are 'images'"),
    ({1: images()}, None, TypeError, "names of inputs and outputs are strings, got 1"),
    ([images()], None, TypeError, "inputs: expected a dictionary from names to arrays, got list"),
    ({"images": images()}, [1], TypeError, "outputs: expected a dictionary"),
    ({"images": images()}, {"logit": images()}, ValueError, "no output is named 'logit'; there are 'logits'"),
    ({"images": images()}, {"logits": np.empty((3, 10), np.float32)}, ValueError, "output 'logits': .*\\[3, 10\\]"),
    ({"images": images()}, {"logits": np.empty((2, 10))}, TypeError, "output 'logits': expected .* got float64"),
    ({"images": images()}, {"logits": read_only(np.empty((2, 10), np.float32))}, ValueError, "'logits': .* read-only"),
    ({"images": SHARED}, {"logits": SHARED.reshape(-1)[:20].reshape(2, 10)}, ValueError,
     "output 'logits' shares memory with input 'images'"),
]


@pytest.mark.parametrize("inputs, outputs, error, words", WRONG)
def test_wrong_arrays_are_named_and_the_context_goes_on(context, expected, inputs, outputs, error, words):
    with pytest.raises(error, match=words):
        context.run(inputs, outputs)
    close(context.run({"images": images()})["logits"], expected(images()))


def test_bound_outputs_are_checked_again_after_a_change_of_shapes(context):
    context.set_input("images", images(2))
    context.set_output("logits", np.empty((2, 10), np.float32))
    context.execute()
    context.set_input("images", images(3))
    with pytest.raises(penstock.InvalidArgumentError, match="these inputs give"):
        context.execute()


def test_execute_without_inputs_is_an_error(context):
    with pytest.raises(penstock.InvalidArgumentError):
        context.execute()


@pytest.mark.parametrize("arguments, error, words", [
    ({"model": 7}, TypeError, "model: expected a path"),
    ({"model": b"junk"}, penstock.InvalidModelError, "not an ONNX model"),
    ({"model": "/nowhere.onnx"}, FileNotFoundError, "/nowhere.onnx"),
    ({"threads": "2"}, TypeError, "threads: expected an integer"),
    ({"threads": -1}, ValueError, "threads: -1"),
    ({"threads": 2**40}, ValueError, "threads"),
    ({"optimization_level": 9}, ValueError, "optimization level 9"),
    ({"device": "tpu"}, NotImplementedError, "no device 'tpu'"),
    ({"profile": {"images": 1}}, TypeError, "profile: expected a penstock.Profile"),
    ({"profile": penstock.Profile(opt={"images": "1x3"})}, TypeError, "opt of input 'images': expected a sequence"),
    ({"profile": penstock.Profile(opt={"images": (1.5,)})}, TypeError, "opt of input 'images': expected integers"),
    ({"profile": penstock.Profile(opt={"image": (1,)})}, ValueError, "image"),
    ({"progress": 3}, TypeError, "progress: expected a function"),
    ({"tactic_sources": ["magic"]}, ValueError, "no tactic source is named 'magic'"),
])
def test_wrong_build_arguments_are_named(model, arguments, error, words):
    with pytest.raises(error, match=words):
        penstock.build(**{"model": model, "optimization_level": 0, **arguments})


def test_progress_and_log_are_called_and_what_they_raise_ends_the_build(model):
    steps, lines = [], []
    penstock.build(model, optimization_level=0, progress=lambda what, done: steps.append((what, done)), log=lines.append)
    assert steps[0] == ("import", 0.0) and steps[-1] == ("done", 1.0)
    assert "optimise" in lines
    with pytest.raises(ZeroDivisionError):
        penstock.build(model, optimization_level=0, progress=lambda what, done: 1 / 0)


def test_a_timing_cache_makes_the_next_build_measure_nothing(model, tmp_path):
    cache = penstock.TimingCache(tmp_path / "times")
    assert len(cache) == 0
    first = penstock.build(model, optimization_level=1, timing_cache=cache)
    assert first.summary.tactics_measured == len(cache) > 0
    second = penstock.build(model, optimization_level=1, timing_cache=cache)
    assert second.summary.tactics_measured == 0
    assert bytes(first) == bytes(second)


def test_inspect_gives_what_the_command_line_prints(model, plan, tmp_path):
    facts = penstock.inspect(plan)
    assert (facts["kind"], facts["model"], facts["onnx_node_count"]) == ("plan", "small", 5)
    assert facts["kernel_count"] == len(facts["layers"]) == plan.summary.kernels
    assert penstock.inspect(bytes(plan)) == facts
    plan.save(tmp_path / "small.plan")
    printed = json.loads(command.penstock("inspect", "--json", tmp_path / "small.plan").stdout)
    assert printed == penstock.inspect(tmp_path / "small.plan") == {**facts, "file": str(tmp_path / "small.plan")}
    assert penstock.inspect(model)["kind"] == penstock.inspect(onnx.load(model))["kind"] == "model"
    with pytest.raises(TypeError, match="source: expected"):
        penstock.inspect(3)


def test_compare_sees_every_layer(model):
    comparison = penstock.compare(model, {"images": images(3)}, optimization_level=0)
    assert comparison.agrees and comparison.first_over is None
    assert 0 < comparison.worst < 1e-4
    assert comparison.layers[-1].value == "logits"
    strict = penstock.compare(model, tolerance=0, optimization_level=0)
    assert not strict.agrees and strict.first_over.error > 0
    with pytest.raises(penstock.InvalidArgumentError, match="no input is named 'image'"):
        penstock.compare(model, {"image": images()}, optimization_level=0)


INTERRUPTED = """
import penstock, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background, which ignores it
calls = []
def progress(what, done):
    calls.append(what)
    if what == "tune":
        signal.raise_signal(signal.SIGINT)
try:
    penstock.build(sys.argv[1], progress=progress)
except KeyboardInterrupt:
    print("interrupted", calls[-1])
"""


def test_control_c_ends_a_build(model):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(model)], capture_output=True, text=True, check=True)
    assert done.stdout == "interrupted tune\n"


def test_other_threads_run_while_a_run_does(plan):
    context = penstock.Engine(plan).create_context(threads=1)
    many = images(3000)  # a run of more than 50 ms
    context.run({"images": many})
    started = threading.Event()
    thread = threading.Thread(target=lambda: (started.set(), context.run({"images": many})))
    thread.start()
    started.wait()
    ticks = 0
    while thread.is_alive():
        time.sleep(0.001)
        ticks += 1
    assert ticks > 10  # with the interpreter's lock held, one or two


WAITING = """
import sys, numpy, penstock
engine = penstock.Engine(penstock.build(sys.argv[1], optimization_level=0))
context, stream, steps = engine.create_context(), engine.create_stream(), []
context.set_profiler(lambda name, milliseconds: steps.append(name))
context.set_input("images", numpy.ones((2, 3, 16, 16), numpy.float32))
context.enqueue(stream)
context.wait()
context.enqueue(stream)
stream.synchronize()
context.enqueue(stream)
print(len(steps) // engine.kernels >= 2)
"""


def test_waiting_lets_callbacks_of_the_stream_run(model):
    """The profiler is called on the stream's thread: who waits with the interpreter's lock held waits for ever."""
    done = subprocess.run([sys.executable, "-c", WAITING, str(model)], capture_output=True, text=True, check=True,
                          timeout=60)
    assert done.stdout == "True\n"


def test_types_beyond_numpy_come_from_ml_dtypes():
    """bfloat16 goes in and out as ml_dtypes' type."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([onnx.helper.make_node("Cast", ["x"], ["y"], to=onnx.TensorProto.BFLOAT16)], "cast",
                                   [value("x", onnx.TensorProto.FLOAT, [3])],
                                   [value("y", onnx.TensorProto.BFLOAT16, [3])])
    engine = penstock.Engine(penstock.build(onnx.helper.make_model(graph), optimization_level=0))
    assert engine.outputs[0].dtype == ml_dtypes.bfloat16
    y = engine.create_context().run({"x": np.array([1, 2.5, -3], np.float32)})["y"]
    assert y.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(y.astype(np.float32), [1, 2.5, -3])


def test_profiler_tells_every_step_and_its_errors_come_out(context):
    steps = []
    context.set_profiler(lambda name, milliseconds: steps.append((name, milliseconds)))
    context.run({"images": images()})
    assert steps and all(milliseconds >= 0 for _, milliseconds in steps)
    context.set_profiler(lambda name, milliseconds: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        context.run({"images": images()})
    context.set_profiler(None)
    context.run({"images": images()})


def test_a_context_called_from_within_its_run_is_busy(context):
    context.set_profiler(lambda name, milliseconds: context.execute())
    with pytest.raises(penstock.BusyError, match="in use"):
        context.run({"images": images()})


def test_threads_share_an_engine(plan, expected):
    engine = penstock.Engine(plan)
    wanted = expected(images())
    failures = []

    def work():
        context = engine.create_context(threads=1)
        for _ in range(50):
            if not np.allclose(context.run({"images": images()})["logits"], wanted, rtol=1e-4, atol=1e-5):
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# --- devices; tests/test_gpu.py has the GPU's --------------------------------------------------------------------------

def test_a_device_has_memory_streams_and_events():
    device = penstock.Device("cpu")
    assert device.name == "cpu" and device.is_host and 0 < device.free_memory <= device.total_memory
    assert device.product_name and device.instruction_set and "cpu" in penstock.Device.list()
    stream, begin, end = device.create_stream(1), device.create_event(), device.create_event()
    memory, source = device.allocate(4000), np.arange(1000, dtype=np.float32)
    result = np.zeros(1000, np.float32)
    begin.record(stream)
    device.copy_in(memory.address, source.ctypes.data, memory.nbytes, stream)
    device.copy_out(result.ctypes.data, int(memory), memory.nbytes, stream)
    end.record(stream)
    end.synchronize()
    assert end.is_reached and end.elapsed_ms(begin) >= 0 and (stream.handle, stream.device) == (0, "cpu")
    np.testing.assert_array_equal(result, source)
    device.fill(memory.address, 0, memory.nbytes, stream)
    stream.wait_for(end)
    stream.synchronize()
    assert stream.is_done
    with pytest.raises(penstock.InvalidArgumentError, match="copy_in: an address is null"):
        device.copy_in(0, source.ctypes.data, 4, stream)
    with pytest.raises(penstock.UnsupportedError, match="no device 'tpu' here"):
        penstock.Device("tpu")


def test_memory_is_counted_limited_and_shared(plan):
    device = penstock.Device("cpu")
    engine = penstock.Engine(plan, device="cpu")
    before = device.memory()
    device.reset_peak_memory()
    memory = device.allocate(1 << 20)
    assert device.memory().buffers == before.buffers + memory.nbytes and device.memory().peak >= before.held + memory.nbytes
    scratch = engine.create_shared_scratch()
    contexts = [engine.create_context(scratch=scratch) for _ in range(2)]
    wanted = engine.create_context().run({"images": images(2)})["logits"]
    for context, rows in zip(contexts, (2, 4)):
        assert context.run({"images": images(rows)})["logits"].shape == (rows, 10)
    np.testing.assert_allclose(contexts[0].run({"images": images(2)})["logits"], wanted, rtol=1e-5, atol=1e-6)
    assert scratch.nbytes >= contexts[1].scratch_bytes > 0 and contexts[0].memory_bytes < scratch.nbytes
    given = engine.create_context()
    given.set_input_shape("images", (2, 3, 16, 16))
    given.set_scratch_memory(memory.address, memory.nbytes)
    np.testing.assert_allclose(given.run({"images": images(2)})["logits"], wanted, rtol=1e-5, atol=1e-6)
    try:
        device.set_memory_limit(device.memory().held + 100)
        with pytest.raises(penstock.OutOfMemoryError, match="that the memory limit allows"):
            device.allocate(1 << 20)
    finally:
        device.set_memory_limit(0)
    assert penstock.Engine(plan, device="cpu", memory_limit=1 << 40).device.memory().limit == 1 << 40
    device.set_memory_limit(0)


def test_the_roofline_of_a_plan(plan):
    report = penstock.roofline(plan)
    assert report["ceilings"]["bytes_per_second"] > 0 and all(layer["us"] > 0 for layer in report["layers"])


def test_addresses_and_their_consumption(plan, expected):
    engine = penstock.Engine(plan, device="cpu")
    context, stream, consumed = engine.create_context(), engine.create_stream(), engine.device.create_event()
    assert engine.device.name == "cpu"
    pixels, logits = images(3), np.zeros((3, 10), np.float32)
    context.set_address("images", pixels.ctypes.data, pixels.shape)
    context.set_address("logits", logits.ctypes.data, logits.shape)
    context.set_input_consumed_event(consumed)
    context.enqueue(stream)
    consumed.synchronize()
    right, pixels[...] = expected(pixels), 0
    context.wait()
    close(logits, right)
    with pytest.raises(penstock.InvalidArgumentError, match="no input is named 'x'"):
        context.set_address("x", pixels.ctypes.data, pixels.shape)


def test_warnings_of_a_build_are_logged(model, caplog):
    plan = penstock.build(model, fp16=True, optimization_level=0)
    assert "float16 was asked for" in plan.summary.warnings[0] and plan.summary.warnings[0] in caplog.text
    told = []
    penstock.build(model, bf16=True, optimization_level=0, warn=told.append)
    # A processor that multiplies bfloat16 has nothing to tell.
    assert all("bfloat16 was asked for" in line for line in told) and plan.summary.device == "cpu"
