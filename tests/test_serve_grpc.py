# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""`penstock serve` over gRPC, by the unmodified client of Triton Inference Server."""
import asyncio
import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import time

import numpy as np
import pytest

onnx_parser = pytest.importorskip("onnx.parser")
grpc = pytest.importorskip("grpc")
client_grpc = pytest.importorskip("tritonclient.grpc")

import onnx  # noqa: E402
import tritonclient.grpc.aio as client_aio  # noqa: E402
from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

from command import PENSTOCK  # noqa: E402

MODELS = {
    "identity": "identity (float[b, n] x) => (float[b, n] y) { y = Identity(x) }",
    "sum": "sum (int32[b, 2] a, int32[b, 2] c) => (int32[b, 2] total, int32[b, 2] less) { total = Add(a, c) less = Sub(a, c) }",
    "text": "text (string[b, 2] s) => (string[b, 2] t) { t = Identity(s) }",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(folder, *flags, credentials=None):
    for name, text in MODELS.items():
        path = folder / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\n' + text), path)
    port = free_port()
    process = subprocess.Popen(
        [PENSTOCK, "serve", f"--model-repository={folder}", "--http-port=0", "--metrics-port=0", f"--grpc-port={port}",
         "--grpc-address=127.0.0.1", "--opt-level=0", *flags], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        channel = grpc.secure_channel(f"localhost:{port}", credentials) if credentials else grpc.insecure_channel(f"127.0.0.1:{port}")
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(grpc.RpcError):
                if stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5).ready:
                    break
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.05)
        channel.close()
        yield port, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module", name="port")
def fixture_port(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("models")) as (port, _):
        yield port


@pytest.fixture(name="client")
def fixture_client(port):
    with client_grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        yield client


def tensor(name, array, datatype):
    given = client_grpc.InferInput(name, array.shape, datatype)
    given.set_data_from_numpy(array)
    return given


def floats(count=7, start=0):
    return np.arange(start, start + count, dtype=np.float32).reshape(1, count)


def raised(call, *arguments, **keywords):
    with pytest.raises(InferenceServerException) as error:
        call(*arguments, **keywords)
    return error.value


def test_server_and_models_are_described(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("sum") and not client.is_model_ready("nothing")
    assert "binary_tensor_data" in client.get_server_metadata().extensions
    metadata = client.get_model_metadata("sum")
    assert [given.name for given in metadata.inputs] == ["a", "c"] and metadata.versions == ["1"]
    assert client.get_model_config("sum").config.name == "sum"
    assert {model.name for model in client.get_model_repository_index().models} == set(MODELS)
    client.infer("sum", [tensor(name, np.ones((1, 2), np.int32), "INT32") for name in "ac"])
    assert client.get_inference_statistics("sum").model_stats[0].inference_count >= 1
    client.get_trace_settings()
    client.get_log_settings()
    assert not client.get_system_shared_memory_status().regions
    client.unregister_system_shared_memory()


def test_inference(client):
    given = floats()
    result = client.infer("identity", [tensor("x", given, "FP32")], request_id="7")
    assert result.get_response().id == "7" and result.get_response().model_version == "1"
    np.testing.assert_array_equal(result.as_numpy("y"), given)
    inputs = [tensor(name, np.array([[5, 3]], np.int32), "INT32") for name in "ac"]
    result = client.infer("sum", inputs, outputs=[client_grpc.InferRequestedOutput("less")])
    assert [output.name for output in result.get_response().outputs] == ["less"]
    np.testing.assert_array_equal(result.as_numpy("less"), [[0, 0]])


def test_strings(client):
    given = np.array([["", "x" * 20000]], dtype=object)
    result = client.infer("text", [tensor("s", given, "BYTES")]).as_numpy("t")
    assert [text.decode() for text in result[0]] == list(given[0])


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_large_tensors(client, compression):
    given = np.random.default_rng(0).standard_normal((1, 2_000_000), np.float32)
    result = client.infer("identity", [tensor("x", given, "FP32")], compression_algorithm=compression)
    np.testing.assert_array_equal(result.as_numpy("y"), given)


def test_classification(client):
    output = client_grpc.InferRequestedOutput("y", class_count=2)
    result = client.infer("identity", [tensor("x", floats(4), "FP32")], outputs=[output])
    assert [text.decode() for text in result.as_numpy("y").ravel()] == ["3.000000:3", "2.000000:2"]


def test_errors_have_their_status(client):
    given = [tensor("x", floats(), "FP32")]
    assert raised(client.infer, "nothing", given).status() == "StatusCode.NOT_FOUND"
    assert raised(client.get_model_metadata, "nothing").status() == "StatusCode.NOT_FOUND"
    wrong = raised(client.infer, "identity", [tensor("z", floats(), "FP32")])
    assert wrong.status() == "StatusCode.INVALID_ARGUMENT" and "'z'" in wrong.message()
    wrong = raised(client.infer, "sum", given)
    assert wrong.status() == "StatusCode.INVALID_ARGUMENT"
    assert raised(client.load_model, "sum").status() == "StatusCode.UNAVAILABLE"
    wrong = raised(client.register_system_shared_memory, "region", "/key", 8)
    assert wrong.status() == "StatusCode.UNIMPLEMENTED" and "shared memory is not available" in wrong.message()


def test_broken_messages_are_refused_and_no_more(port, client):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for junk in (b"\xff\xff", b"\x3a\xff\xff\xff\x07abc", b"\x0a\x02\xff\xfe"):
            with pytest.raises(grpc.RpcError) as error:
                infer(junk)
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/inference.GRPCInferenceService/Nothing")(b"")
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert client.is_server_ready()


def test_health(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"") == b"\x08\x01"  # SERVING
        with pytest.raises(grpc.RpcError) as error:
            check(b"\x0a\x07nothing")
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        assert next(watch) == b"\x08\x01"
        watch.cancel()


def test_stream_answers_in_order(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(300):
        model = "nothing" if i == 200 else "identity"
        client.async_stream_infer(model, [tensor("x", floats(3, i), "FP32")], request_id=str(i))
    for i in range(300):
        result, error = answers.get(timeout=30)
        if i == 200:
            assert "nothing" in str(error)
            continue
        assert error is None and result.get_response().id == str(i)
        assert result.get_response().parameters["triton_final_response"].bool_param
        np.testing.assert_array_equal(result.as_numpy("y"), floats(3, i))
    client.stop_stream()


def test_stream_with_real_statuses(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put(error), headers={"triton_grpc_error": "true"})
    client.async_stream_infer("nothing", [tensor("x", floats(), "FP32")])
    assert answers.get(timeout=30).status() == "StatusCode.NOT_FOUND"
    client.stop_stream()


def test_asynchronous_client(port):
    async def run():
        async with client_aio.InferenceServerClient(f"127.0.0.1:{port}") as client:
            calls = [client.infer("identity", [tensor("x", floats(3, i), "FP32")]) for i in range(50)]
            for i, result in enumerate(await asyncio.gather(*calls)):
                np.testing.assert_array_equal(result.as_numpy("y"), floats(3, i))

            async def requests():
                for i in range(5):
                    yield {"model_name": "identity", "inputs": [tensor("x", floats(3, i), "FP32")]}
            count = 0
            async for result, error in client.stream_infer(requests()):
                assert error is None
                np.testing.assert_array_equal(result.as_numpy("y"), floats(3, count))
                count += 1
            assert count == 5
    asyncio.run(run())


def test_tls_with_certificates_of_both_sides(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    flags = ("--grpc-use-ssl=true", "--grpc-use-ssl-mutual=true", f"--grpc-server-cert={certificate}", f"--grpc-server-key={key}",
             f"--grpc-root-cert={certificate}")
    known = grpc.ssl_channel_credentials(certificate.read_bytes(), key.read_bytes(), certificate.read_bytes())
    with serving(tmp_path / "models", *flags, credentials=known) as (port, _):
        for channel in (grpc.insecure_channel(f"localhost:{port}"),
                        grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(certificate.read_bytes()))):
            with channel, pytest.raises(grpc.RpcError) as error:
                service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerLive(service_pb2.ServerLiveRequest(), timeout=10)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    wrong = subprocess.run([PENSTOCK, "serve", f"--model-repository={tmp_path / 'models'}", "--http-port=0", "--metrics-port=0",
                            "--grpc-port=0", "--grpc-use-ssl=true", "--grpc-server-key=/nowhere"], capture_output=True, text=True,
                           check=False)
    assert wrong.returncode == 1 and "server's key '/nowhere'" in wrong.stderr


def test_deadlines_cancellation_limits_and_the_end(tmp_path):
    flags = ("--fault-delay-us=400000", "--grpc-max-input-size=100000", "--exit-timeout=20")
    with serving(tmp_path, *flags) as (port, process):
        given = [tensor("x", floats(), "FP32")]
        with client_grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
            begin = time.monotonic()
            assert raised(client.infer, "identity", given, client_timeout=0.1).status() == "StatusCode.DEADLINE_EXCEEDED"
            assert time.monotonic() - begin < 0.35
            errors = queue.Queue()
            call = client.async_infer("identity", given, lambda result, error: errors.put(error))
            call.cancel()
            assert "CANCELLED" in str(errors.get(timeout=10).status()).upper()
            large = [tensor("x", floats(50000), "FP32")]
            assert raised(client.infer, "identity", large).status() == "StatusCode.RESOURCE_EXHAUSTED"
            # What is under way when the end comes is answered; an idle stream does not hold it up.
            client.start_stream(lambda result, error: None)
            client.async_infer("identity", given, lambda result, error: errors.put((result, error)))
            time.sleep(0.15)
            os.kill(process.pid, signal.SIGTERM)
            result, error = errors.get(timeout=10)
            assert error is None and result.as_numpy("y").shape == (1, 7)
            process.communicate(timeout=10)
            assert process.returncode == 0
