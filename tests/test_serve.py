# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The model server with Triton's own client, unmodified, and its repository."""
import concurrent.futures
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest
import tritonclient.http as triton
from command import penstock
from model_server import add_model, doubler, serve, tensor, texts, wide
from tritonclient.utils import InferenceServerException

ONE = {"inputs": [tensor("x", [1, 4], [1, 2, 3, 4])]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    repository = tmp_path_factory.mktemp("serve") / "models"
    add_model(repository, "doubler")
    add_model(repository, "texts", texts)
    add_model(repository, "labelled", config='max_batch_size: 4 output [{ name: "y" label_filename: "labels.txt" }]')
    (repository / "labelled" / "labels.txt").write_text("none\none\n")
    (repository / "broken" / "1").mkdir(parents=True)
    (repository / "broken" / "1" / "model.onnx").write_bytes(b"no model")
    (repository / "misspelt" / "1").mkdir(parents=True)
    (repository / "misspelt" / "config.pbtxt").write_text("max_batch_size: 4\nmax_bath: 1\n")
    with serve(repository) as running:
        yield running


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.http}") as connected:
        yield connected


def numbers(shape=(2, 4)):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    given = triton.InferInput("x", list(shape), "FP32")
    given.set_data_from_numpy(array)
    return array, given


def test_tells_what_it_is(client):
    assert client.is_server_live()
    assert not client.is_server_ready()  # two models are broken
    assert client.is_model_ready("doubler") and not client.is_model_ready("broken")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("doubler")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["versions"] == ["1"]
    config = client.get_model_config("doubler")
    assert config["max_batch_size"] == 4 and config["input"][0]["dims"] == [4] and "dynamic_batching" in config


def test_broken_models_stop_no_others_and_say_why(client):
    states = {model["name"]: model for model in client.get_model_repository_index()}
    assert states["doubler"]["state"] == "READY"
    assert states["broken"]["state"] == "UNAVAILABLE" and "not an ONNX model" in states["broken"]["reason"]
    assert "misspelt/config.pbtxt:2:" in states["misspelt"]["reason"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infers(client, binary_in, binary_out):
    array, given = numbers()
    given.set_data_from_numpy(array, binary_data=binary_in)
    result = client.infer("doubler", [given], outputs=[triton.InferRequestedOutput("y", binary_data=binary_out)], request_id="7")
    np.testing.assert_array_equal(result.as_numpy("y"), array * 2)
    assert result.get_response()["id"] == "7" and result.get_response()["model_version"] == "1"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compresses_both_ways(client, algorithm):
    array, given = numbers((4, 4))
    result = client.infer("doubler", [given], request_compression_algorithm=algorithm,
                          response_compression_algorithm=algorithm)
    np.testing.assert_array_equal(result.as_numpy("y"), array * 2)


def test_strings_with_any_bytes(client):
    array = np.array([["a", "\0\xff"], ["", "x" * 100_000]], dtype=object)
    given = triton.InferInput("x", [2, 2], "BYTES")
    given.set_data_from_numpy(array)
    got = client.infer("texts", [given]).as_numpy("y")
    assert [text.decode() for text in got.flat] == list(array.flat)


def test_classifies(client):
    _, given = numbers()
    wanted = triton.InferRequestedOutput("y", class_count=3)
    got = client.infer("labelled", [given], outputs=[wanted]).as_numpy("y")
    assert got.shape == (2, 3)
    assert got[0].tolist() == [b"6.000000:3", b"4.000000:2", b"2.000000:1:one"]


def test_statistics_count(client):
    _, given = numbers()
    before = client.get_inference_statistics("doubler")["model_stats"][0]
    client.infer("doubler", [given])
    after = client.get_inference_statistics("doubler")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 2
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"] == 1


def test_settings(client):
    assert client.get_trace_settings()["trace_level"] == ["OFF"]
    assert client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1
    assert client.update_log_settings({"log_verbose_level": 0})["log_verbose_level"] == 0
    with pytest.raises(InferenceServerException, match="log_nonsense"):
        client.update_log_settings({"log_nonsense": 1})
    with pytest.raises(InferenceServerException, match="not allowed"):
        client.load_model("doubler")


@pytest.mark.parametrize("change, words", [
    ({"inputs": []}, "expected 1 inputs"),
    ({"inputs": ONE["inputs"] * 2}, "twice"),
    ({"inputs": [tensor("z", [1, 4], [1, 2, 3, 4])]}, "did you mean 'x'"),
    ({"inputs": [tensor("x", [1, 4], [1, 2, 3, 4], "INT32")]}, "data-type is 'INT32'"),
    ({"inputs": [tensor("x", [1, 3], [1, 2, 3])]}, "unexpected shape"),
    ({"inputs": [tensor("x", [4], [1, 2, 3, 4])]}, "unexpected shape"),
    ({"inputs": [tensor("x", [0, 4], [])]}, "batch-size"),
    ({"inputs": [tensor("x", [5, 4], [1] * 20)]}, "batch-size"),
    ({"outputs": [{"name": "w"}]}, "did you mean 'y'"),
    ({"outputs": [{"name": "y"}, {"name": "y"}]}, "twice"),
    ({"parameters": {"triton_enable_empty_final_response": True}}, "reserved"),
])
def test_wrong_requests_say_what_was_expected(server, change, words):
    status, answer = server.infer("doubler", {**ONE, **change})
    assert status == 400 and words in answer["error"]
    assert server.infer("doubler", ONE)[0] == 200


def test_unknown_models_and_versions(server):
    assert server.infer("nobody", ONE)[0] == 404
    assert server.infer("doubler/versions/2", ONE)[0] == 404
    assert server.infer("doubler/versions/0", ONE)[0] == 400
    assert server.infer("broken", ONE)[0] == 503
    assert server.infer("..%2F..%2Fetc", ONE)[0] == 404


def test_metrics(server):
    before = server.metric("nv_inference_request_success", model="doubler")
    server.infer("doubler", ONE)
    server.infer("doubler", {"inputs": []})
    assert server.metric("nv_inference_request_success", model="doubler") == before + 1
    assert server.metric("nv_inference_request_failure", model="doubler", reason="OTHER") > 0
    assert server.metric("penstock_request_duration_seconds_count", model="doubler") == before + 1
    assert server.metric("nv_cpu_memory_total_bytes") > 0


def test_explicit_control(tmp_path):
    repository = tmp_path / "models"
    folder = add_model(repository, "m")
    with serve(repository, "--model-control-mode=explicit") as running, \
            triton.InferenceServerClient(f"127.0.0.1:{running.http}") as client:
        array, given = numbers()
        assert client.is_server_ready() and not client.is_model_ready("m")
        client.load_model("m")
        assert client.infer("m", [given]).as_numpy("y")[0, 1] == 2
        doubler(folder / "1" / "model.onnx", 3.0)
        client.load_model("m")
        assert client.infer("m", [given]).as_numpy("y")[0, 1] == 3
        # What fails leaves what there was.
        (folder / "1" / "model.onnx").write_bytes(b"no model")
        with pytest.raises(InferenceServerException, match="failed to load 'm'"):
            client.load_model("m")
        assert client.infer("m", [given]).as_numpy("y")[0, 1] == 3
        client.load_model("m", config=json.dumps({"max_batch_size": 2}),
                          files={"file:1/model.onnx": doubler(tmp_path / "other.onnx", 5.0).read_bytes()})
        assert client.infer("m", [given]).as_numpy("y")[0, 1] == 5
        assert client.get_model_config("m")["max_batch_size"] == 2
        for name in ("file:../model.onnx", "file:1/../../model.onnx", "file:1/a/b"):
            status, _, body = running.request("POST", "/v2/repository/models/m/load",
                                              json.dumps({"parameters": {"config": "{}", name: "YWJj"}}))
            assert status == 400 and b"file:<version>" in body
        client.unload_model("m")
        assert not client.is_model_ready("m")
        with pytest.raises(InferenceServerException, match="not found"):
            client.infer("m", [given])
        with pytest.raises(InferenceServerException, match="no folder"):
            client.load_model("nobody")


def test_polling_follows_the_repository(tmp_path):
    repository = tmp_path / "models"
    add_model(repository, "m", config="version_policy: { latest { num_versions: 1 } }")
    with serve(repository, "--model-control-mode=poll", "--repository-poll-secs=1") as running:
        failures, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                status, answer = running.infer("m", ONE)
                if status != 200:
                    failures.append(answer)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(load)
            staged = add_model(tmp_path / "staged", "m", version=2, factor=7.0)
            os.rename(staged / "2", repository / "m" / "2")
            add_model(repository, "late")
            running.wait_for("ready model=m version=2")
            running.wait_for("ready model=late")
            stop.set()
        assert not failures
        assert running.infer("m", ONE)[1]["outputs"][0]["data"][0] == 7
        shutil.rmtree(repository / "late")
        running.wait_for("unloaded model=late")


def test_version_policies(tmp_path):
    repository = tmp_path / "models"
    for name, policy in (("all", "all {}"), ("specific", "specific { versions: [1, 3] }"), ("latest", "latest { num_versions: 2 }")):
        for version in (1, 2, 3):
            add_model(repository, name, version=version, config=f"version_policy: {{ {policy} }}")
        (repository / name / "04").mkdir()
    with serve(repository) as running:
        def versions(name):
            return json.loads(running.request("GET", f"/v2/models/{name}")[2])["versions"]
        assert versions("all") == ["1", "2", "3"] and versions("specific") == ["1", "3"] and versions("latest") == ["2", "3"]
        assert running.infer("all", ONE)[1]["model_version"] == "3"
        assert running.infer("all/versions/1", ONE)[1]["model_version"] == "1"


def test_plans_are_kept_and_made_anew_where_they_are_damaged(tmp_path):
    repository, cache = tmp_path / "models", tmp_path / "cache"
    add_model(repository, "m")
    with serve(repository, "--plan-cache", cache) as running:
        assert running.infer("m", ONE)[0] == 200 and "compiling" in running.text()
    with serve(repository, "--plan-cache", cache) as running:
        assert "compiling" not in running.text()
    plan, = cache.rglob("*.plan")
    plan.write_bytes(plan.read_bytes()[:-100])
    with serve(repository, "--plan-cache", cache) as running:
        assert "made anew" in running.text() and running.infer("m", ONE)[0] == 200


def test_batches_requests_that_wait(tmp_path):
    repository = tmp_path / "models"
    add_model(repository, "m", config="max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 300000 }")
    with serve(repository) as running, concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: running.infer("m", {"inputs": [tensor("x", [1, 4], [i] * 4)]}), range(8)))
        assert [answer["outputs"][0]["data"] for _, answer in answers] == [[2 * i] * 4 for i in range(8)]
        assert running.metric("nv_inference_exec_count", model="m") < 8
        assert running.metric("penstock_batch_size_sum", model="m") == 8


def test_queue_policies(tmp_path):
    repository = tmp_path / "models"
    policy = "default_queue_policy { max_queue_size: 1 default_timeout_microseconds: 100000 allow_timeout_override: true }"
    add_model(repository, "m", config=f"max_batch_size: 1 dynamic_batching {{ {policy} }}")
    with serve(repository, "--fault-delay-us=400000") as running, concurrent.futures.ThreadPoolExecutor(3) as pool:
        first = pool.submit(running.infer, "m", ONE)
        time.sleep(0.1)
        second = pool.submit(running.infer, "m", ONE)
        time.sleep(0.03)
        status, answer = running.infer("m", ONE)
        assert status == 503 and "maximum queue size" in answer["error"]
        status, answer = second.result()
        assert status == 503 and "timeout" in answer["error"]
        assert first.result()[0] == 200
        assert running.metric("nv_inference_request_failure", model="m", reason="REJECTED") == 2


def test_failed_executions_are_retried(tmp_path):
    repository = tmp_path / "models"
    add_model(repository, "m", config="max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 1000 }")
    with serve(repository, "--fault-fail-every=3") as running, concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: running.infer("m", {"inputs": [tensor("x", [1, 4], [i] * 4)]}), range(40)))
        assert [(status, answer["outputs"][0]["data"][0]) for status, answer in answers] == [(200, 2 * i) for i in range(40)]
        assert running.metric("penstock_context_rebuilds_total", model="m") > 0
    with serve(repository, "--fault-fail-every=1") as running:
        status, answer = running.infer("m", ONE)
        assert status == 500 and "fault injection" in answer["error"]
        assert running.metric("nv_inference_request_failure", model="m", reason="BACKEND") == 1


def test_instances_and_larger_tensors(tmp_path):
    repository = tmp_path / "models"
    add_model(repository, "wide", wide, config="max_batch_size: 2 instance_group [{ count: 2 kind: KIND_CPU }]")
    with serve(repository) as running, concurrent.futures.ThreadPoolExecutor(4) as pool:
        def ask(seed):
            array = np.random.default_rng(seed).standard_normal((2, 2048), np.float32)
            given = triton.InferInput("x", [2, 2048], "FP32")
            given.set_data_from_numpy(array)
            with triton.InferenceServerClient(f"127.0.0.1:{running.http}") as client:
                return client.infer("wide", [given]).as_numpy("y")
        together = list(pool.map(ask, range(8)))
        for seed, result in enumerate(together):
            np.testing.assert_allclose(result, ask(seed), rtol=1e-4, atol=1e-2)


def test_a_bad_option_ends_at_once(tmp_path):
    assert "nowhere" in penstock("serve", "--model-repository", tmp_path / "nowhere", exit_code=1).stderr
    penstock("serve", exit_code=2)
    (tmp_path / "m" / "1").mkdir(parents=True)
    done = penstock("serve", "--model-repository", tmp_path, "--exit-on-error=true", "--http-port=0", "--metrics-port=0", "--grpc-port=0",
                    exit_code=1)
    assert "model 'm'" in done.stderr
