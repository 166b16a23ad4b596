# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Starts the servers that server.py compares, each with an identity model of FP32 called "identity" (x -> y)."""
import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request

START_WITHIN = 60  # seconds

TRITON_CONFIG = """
name: "identity"
backend: "python"
max_batch_size: 64
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
instance_group [{ count: 1 kind: KIND_CPU }]
dynamic_batching { }
"""
# The backend's Python is isolated: it looks at no environment variable.
TRITON_MODEL = '''
import sys

sys.path.append({site!r})

import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        return [utils.InferenceResponse([utils.Tensor("y", utils.get_input_tensor_by_name(request, "x").as_numpy())])
                for request in requests]
'''
PENSTOCK_CONFIG = """
name: "identity"
max_batch_size: 64
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
instance_group [{ count: 1 kind: KIND_CPU }]
dynamic_batching { }
"""


@dataclasses.dataclass
class Server:
    name: str
    version: str
    addresses: dict  # by protocol: "HTTP JSON", "HTTP binary", "gRPC"
    process: subprocess.Popen
    log: pathlib.Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip())


def write_identity(path):
    import onnx.parser
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\n'
                                    "identity (float[b, n] x) => (float[b, n] y) { y = Identity(x) }")
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def wait_until_ready(server, path="/v2/health/ready"):
    url = server.addresses["HTTP JSON"] + path
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        time.sleep(0.1)
    raise SystemExit(f"server: {server.name} did not get ready; the end of its log:\n{server.log.read_text()[-2000:]}")


def launch(name, version, folder, command, addresses, environment=None):
    log = folder / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=subprocess.STDOUT,
                                   env={**os.environ, **(environment or {})})
    return Server(name, version, addresses, process, log)


def addresses_of(http, grpc=None):
    found = {"HTTP JSON": f"http://127.0.0.1:{http}", "HTTP binary": f"http://127.0.0.1:{http}"}
    return found if grpc is None else {**found, "gRPC": f"grpc://127.0.0.1:{grpc}"}


def start_triton(arguments, folder):
    """Triton's binary wants its libraries on the path, and the stub of this Python beside its Python backend."""
    package = pathlib.Path(importlib.util.find_spec("pytriton").origin).parent
    home = folder / "tritonserver"
    shutil.copytree(package / "tritonserver", home, ignore=shutil.ignore_patterns("python_backend_stubs"))
    stub = package / "tritonserver" / "python_backend_stubs" / f"3.{sys.version_info.minor}" / "triton_python_backend_stub"
    shutil.copy(stub, home / "backends" / "python")
    for program in (home / "bin" / "tritonserver", home / "backends" / "python" / stub.name):
        program.chmod(0o755)
    repository = folder / "triton_models"
    site = arguments.triton_packages or pathlib.Path(importlib.util.find_spec("numpy").origin).parents[1]
    write(repository / "identity" / "config.pbtxt", TRITON_CONFIG)
    write(repository / "identity" / "1" / "model.py", TRITON_MODEL.format(site=str(site)))
    http, grpc, metrics = free_port(), free_port(), free_port()
    libraries = package.parent / "nvidia_pytriton.libs"
    return launch("triton", "Triton Inference Server 2.51", folder,
                  [home / "bin" / "tritonserver", f"--model-repository={repository}",
                   f"--backend-directory={home / 'backends'}", f"--http-port={http}", f"--grpc-port={grpc}",
                   f"--metrics-port={metrics}", "--http-address=127.0.0.1", "--grpc-address=127.0.0.1"],
                  addresses_of(http, grpc),
                  {"LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}"})


def start_fastapi(_arguments, folder):
    import fastapi
    import onnxruntime
    model = folder / "fastapi" / "identity.onnx"
    write_identity(model)
    http = free_port()
    here = pathlib.Path(__file__).resolve().parent
    return launch("fastapi", f"FastAPI {fastapi.__version__} on ONNX Runtime {onnxruntime.__version__}", folder,
                  [sys.executable, "-B", "-m", "uvicorn", "fastapi_service:app", "--app-dir", here, "--host", "127.0.0.1",
                   "--port", http, "--log-level", "warning"],
                  addresses_of(http), {"MODEL": str(model)})


def start_penstock(arguments, folder):
    repository = folder / "penstock_models"
    write(repository / "identity" / "config.pbtxt", PENSTOCK_CONFIG)
    write_identity(repository / "identity" / "1" / "model.onnx")
    http, grpc, metrics = free_port(), free_port(), free_port()
    return launch("penstock", "Penstock", folder,
                  [arguments.program, "serve", f"--model-repository={repository}", f"--http-port={http}",
                   f"--grpc-port={grpc}", f"--metrics-port={metrics}"], addresses_of(http, grpc))


def can_serve(program):
    help_text = subprocess.run([str(program), "serve", "--help"], capture_output=True, text=True, check=False).stdout
    return "--model-repository" in help_text


@contextlib.contextmanager
def start_servers(arguments, folder):
    makers = {"penstock": start_penstock, "triton": start_triton, "fastapi": start_fastapi}
    names = [name for name in arguments.servers if name != "penstock" or can_serve(arguments.program)]
    servers = []
    try:
        for name in names:
            servers.append(makers[name](arguments, folder))
            wait_until_ready(servers[-1])
        yield servers
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            try:
                server.process.wait(15)
            except subprocess.TimeoutExpired:
                server.process.kill()
