# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What clients may do to the server's sockets, and what it answers."""
import gzip
import json
import signal
import socket
import threading
import time
import zlib

import pytest
from model_server import DEADLINE, add_model, serve, tensor

ONE = {"inputs": [tensor("x", [1, 4], [1, 2, 3, 4])]}
INFER = "/v2/models/m/infer"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    repository = tmp_path_factory.mktemp("http") / "models"
    add_model(repository, "m")
    with serve(repository, "--http-max-input-size=100000", "--http-timeout-secs=2") as running:
        yield running
        assert running.infer("m", ONE)[0] == 200  # whatever the tests did


def connect(server):
    return socket.create_connection(("127.0.0.1", server.http), DEADLINE)


def talk(server, data, close=True):
    """What comes back until the server closes, or for a part of a second."""
    with connect(server) as client:
        client.sendall(data)
        if close:
            client.shutdown(socket.SHUT_WR)
        client.settimeout(1)
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except TimeoutError:
            pass
        return answer


def status(answer):
    return int(answer.split()[1]) if answer else None


def message(body, *fields):
    head = [f"POST {INFER} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode() + body


def test_endpoints_and_methods(server):
    assert server.request("GET", "/")[0] == 404
    assert server.request("GET", "/v2/nonsense")[0] == 404
    assert server.request("GET", INFER)[0] == 405
    assert server.request("DELETE", "/v2")[0] == 405
    assert server.request("POST", "/v2/health/live", "{}")[0] == 405
    assert server.request("GET", "/v2/health/live")[::2] == (200, b"")
    assert server.request("POST", "/v2/models/m/generate", "{}")[0] == 501
    assert server.request("GET", "/v2/systemsharedmemory/status")[0] == 501
    assert server.request("GET", "/v2", port=server.metrics)[0] == 404


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999", "3x", "", "1000000"])
def test_wrong_header_lengths(server, length):
    got, _, body = server.request("POST", INFER, json.dumps(ONE), {"Inference-Header-Content-Length": length})
    assert got == 400 and b"Inference-Header-Content-Length" in body


def test_raw_binary_request(server):
    import struct
    got, headers, body = server.request("POST", INFER, struct.pack("<4f", 1, 2, 3, 4), {"Inference-Header-Content-Length": "0"})
    assert got == 200
    assert struct.unpack("<4f", body[int(headers["Inference-Header-Content-Length"]):]) == (2, 4, 6, 8)
    assert server.request("POST", INFER, b"123", {"Inference-Header-Content-Length": "0"})[0] == 400


def test_limits_of_bodies(server):
    large = b" " * 100_001
    assert server.request("POST", INFER, large)[0] == 413
    assert server.request("POST", INFER, gzip.compress(large), {"Content-Encoding": "gzip"})[0] == 400
    assert server.request("POST", INFER, zlib.compress(b" " * (1 << 26)), {"Content-Encoding": "deflate"})[0] == 400
    body = json.dumps(ONE).encode()
    assert server.request("POST", INFER, gzip.compress(body), {"Content-Encoding": "gzip"})[0] == 200
    assert server.request("POST", INFER, body, {"Content-Encoding": "gzip"})[0] == 400
    assert server.request("POST", INFER, gzip.compress(body)[:-9], {"Content-Encoding": "gzip"})[0] == 400
    assert server.request("POST", INFER, body, {"Content-Encoding": "br"})[0] == 501
    assert server.request("POST", INFER, "[" * 50_000)[0] == 400
    assert server.request("POST", INFER, '{"a":' * 1000)[0] == 400


def test_chunked_bodies(server):
    body = json.dumps(ONE).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    one_by_one = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert status(talk(server, head + one_by_one, close=False)) == 200
    assert status(talk(server, head + b"1;x=y\r\n{\r\n" * 70_000, close=False)) in (400, None)
    assert status(talk(server, head + b"fffffff\r\n", close=False)) == 413
    assert status(talk(server, head + b"ffffffffffffffffff\r\n", close=False)) == 400
    assert status(talk(server, head.replace(b"chunked", b"chunked\r\nContent-Length: 5") + b"0\r\n\r\n", close=False)) == 400


@pytest.mark.parametrize("data", [
    b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc" + b"\0" * 300,
])
def test_what_is_no_http(server, data):
    assert status(talk(server, data)) in (400, None)


def test_long_heads(server):
    assert status(talk(server, b"GET / HTTP/1.1\r\nA: " + b"a" * 40_000, close=False)) == 431
    assert status(talk(server, b"GET /" + b"a" * 40_000, close=False)) == 431


def test_pipelined_requests_are_answered_in_order(server):
    bodies = [json.dumps({"id": str(i), **ONE}).encode() for i in range(50)]
    answer = talk(server, b"".join(map(message, bodies)), close=False)
    ids = [part.split(b'"')[0] for part in answer.split(b'{"id":"')[1:]]
    assert ids == [str(i).encode() for i in range(50)]


def test_one_byte_after_the_other(server):
    with connect(server) as client:
        for byte in message(json.dumps(ONE).encode()):
            client.sendall(bytes([byte]))
        assert status(client.recv(1000)) == 200


def test_expect_continue(server):
    body = json.dumps(ONE).encode()
    with connect(server) as client:
        head, _ = message(body, "Expect: 100-continue").split(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        assert status(client.recv(1000)) == 100
        client.sendall(body)
        assert status(client.recv(1000)) == 200


def test_slow_clients_are_closed(server):
    with connect(server) as client:
        client.sendall(message(b"x" * 1000)[:-500])
        assert status(client.recv(1000)) == 408
        assert client.recv(1000) == b""


def test_clients_that_leave_cancel_their_requests(tmp_path):
    repository = tmp_path / "models"
    add_model(repository, "m", config="max_batch_size: 1")
    with serve(repository, "--fault-delay-us=300000") as running:
        clients = [connect(running) for _ in range(4)]
        for client in clients:
            client.sendall(message(json.dumps(ONE).encode()))
        time.sleep(0.1)
        for client in clients:
            client.close()
        end = time.monotonic() + DEADLINE
        while running.metric("nv_inference_request_failure", model="m", reason="CANCELED") < 3:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert running.infer("m", ONE)[0] == 200


def test_sigterm_answers_what_is_under_way(tmp_path):
    repository = tmp_path / "models"
    add_model(repository, "m", config="max_batch_size: 1")
    with serve(repository, "--fault-delay-us=700000") as running:
        answers = []
        asking = [threading.Thread(target=lambda: answers.append(running.infer("m", ONE)[0])) for _ in range(2)]
        for thread in asking:
            thread.start()
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        for thread in asking:
            thread.join()
        assert answers == [200, 200]
        assert running.process.wait(DEADLINE) == 0


def test_exit_timeout_ends_what_takes_too_long(tmp_path):
    repository = tmp_path / "models"
    add_model(repository, "m")
    with serve(repository, "--fault-delay-us=3000000", "--exit-timeout=0") as running:
        with connect(running) as client:
            client.sendall(message(json.dumps(ONE).encode()))
            time.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(DEADLINE) == 0
        assert "requests are left" in running.text()
