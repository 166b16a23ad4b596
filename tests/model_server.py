# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Model repositories, and `penstock serve` on them, for the tests of the server."""
import contextlib
import http.client
import json
import pathlib
import re
import signal
import subprocess
import time

import numpy as np
from command import PENSTOCK
from onnx import TensorProto, helper
from small_models import save, value, weights

DEADLINE = 60  # seconds, for what takes milliseconds on an idle machine


def doubler(path, factor=2.0):
    """x [batch,4] * factor -> y [batch,4]."""
    node = helper.make_node("Mul", ["x", "factor"], ["y"], "multiply")
    return save(path, [node], [value("x", ["batch", 4])], [value("y", ["batch", 4])],
                [("factor", np.array(factor, np.float32))])


def wide(path, inner=2048):
    """x [batch,n] through n x n weights, twice: milliseconds a run."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], "first"), helper.make_node("MatMul", ["h", "w"], ["y"], "second")]
    return save(path, nodes, [value("x", ["batch", inner])], [value("y", ["batch", inner])], [("w", weights(inner, inner))])


def texts(path):
    """a string tensor as it is: x [batch,2] -> y [batch,2]."""
    node = helper.make_node("Identity", ["x"], ["y"], "same")
    return save(path, [node], [value("x", ["batch", 2], TensorProto.STRING)], [value("y", ["batch", 2], TensorProto.STRING)])


def add_model(repository, name, make=doubler, version=1, config=None, **options):
    folder = pathlib.Path(repository) / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    make(folder / "model.onnx", **options)
    if config is not None:
        (folder.parent / "config.pbtxt").write_text(config)
    return folder.parent


class Server:
    def __init__(self, process, log):
        self.process, self.log = process, log
        self.http, self.metrics = (self._port(kind) for kind in ("http", "metrics"))

    def _port(self, kind):
        line = self.wait_for(rf"protocol={kind} .*port=(\d+)")
        return int(line[1])

    def text(self):
        return self.log.read_text()

    def wait_for(self, pattern):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if found := re.search(pattern, self.text()):
                return found
            assert self.process.poll() is None, self.text()
            time.sleep(0.02)
        raise AssertionError(f"no '{pattern}' in:\n{self.text()}")

    def request(self, method, path, body=None, headers=None, port=None):
        """(status, headers, bytes) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def infer(self, model, document, **options):
        status, _, body = self.request("POST", f"/v2/models/{model}/infer", json.dumps(document), **options)
        return status, json.loads(body)

    def metric(self, name, **labels):
        """The value of a metric, or the sum over those whose labels agree."""
        text = self.request("GET", "/metrics", port=self.metrics)[2].decode()
        values = []
        for line in text.splitlines():
            if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
                values.append(float(line.rpartition(" ")[2]))
        assert values, f"no {name} in\n{text}"
        return sum(values)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


@contextlib.contextmanager
def serve(repository, *options, wait=True):
    """A running server with free ports; it must end well."""
    log = pathlib.Path(repository).parent / f"serve{time.monotonic_ns()}.log"
    with log.open("w") as out:
        process = subprocess.Popen([PENSTOCK, "serve", f"--model-repository={repository}", "--http-address=127.0.0.1",
                                    "--metrics-address=127.0.0.1", "--http-port=0", "--metrics-port=0", "--allow-grpc=false", "--opt-level=0",
                                    *map(str, options)], stdout=out, stderr=subprocess.STDOUT)
    try:
        server = Server(process, log)
        if wait:
            server.wait_for("all models are ready|some models are not available")
        yield server
        assert server.stop() == 0, server.text()
    finally:
        process.kill()
        process.wait()


def tensor(name, shape, data, datatype="FP32"):
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}
