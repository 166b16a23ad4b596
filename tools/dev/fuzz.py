# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Runs each fuzzer of build/asan/bin for some seconds: python fuzz.py [--fixed] [SECONDS] [FUZZER ...]

What a fuzzer finds new stays in build/fuzz/corpus, where the next run begins. With --fixed nothing stays: few seeds, one
random seed and a number of inputs make every run the same, unless the seconds end it. An input that fails is kept in
build/fuzz/crashes: to see the failure again, run the fuzzer with its path as the only argument. Once mended, it goes to
tests/fuzz/corpus, whose inputs the unit tests run.
"""
import argparse
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "asan" / "bin"
BUILD = ROOT / "build" / "fuzz"
KEPT = ROOT / "tests" / "fuzz" / "corpus"
LARGEST_SEED = 3000  # bytes: small inputs are mutated to more effect
TEXT_SEEDS = 150
FEW_MODELS, FEW_TEXTS = 140, 30  # with --fixed: all of ONNX's models would take the whole time
FIXED_INPUTS = {"graph_text": 8000, "grpc_request": 30000, "import": 2000, "load": 30000, "model": 2000, "npy": 30000, "plan": 20000, "serve": 60000}  # five to fifteen seconds each
TIMEOUT = 30  # seconds for one input
FIXED_TIMEOUT = 120  # on a machine that may be busy
MEMORY = 3000  # MiB, of the whole process

ENVIRONMENT = {
    "ASAN_OPTIONS": "strict_string_checks=1:allocator_may_return_null=1:detect_leaks=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "OMP_NUM_THREADS": "1",
}


def thinned(items, most):
    return items[::max(1, len(items) // most)]


def make_model_seeds(folder, most):
    """The small models of ONNX's backend suite."""
    from onnx.backend.test import loader
    warnings.simplefilter("ignore")  # of tests that divide by zero on purpose
    for case in thinned(sorted(loader.load_model_tests(kind="node"), key=lambda case: case.name), most):
        data = case.model.SerializeToString() if case.model is not None else \
            (pathlib.Path(case.model_dir) / "model.onnx").read_bytes()
        if len(data) <= LARGEST_SEED:
            (folder / case.name).write_bytes(data)


def program_of(plan):
    """The program section of a plan file, as docs/plan-format.md describes it."""
    data = plan.read_bytes()
    offset, size = struct.unpack_from("<QQ", data, 24)
    return data[offset:offset + size]


def make_text_seeds(models, graphs, programs):
    """Graph texts and plans' programs of some of the models."""
    penstock = BIN / "penstock"
    onnx, plan = BUILD / "seed.onnx", BUILD / "seed.plan"
    for model in models:
        onnx.write_bytes(model.read_bytes())
        plan.unlink(missing_ok=True)
        build = [penstock, "build", onnx, "-q", "--opt-level=0", "--threads=1"]
        subprocess.run([*build, "--stop-after=import", f"--dump={graphs / model.name}"], capture_output=True, check=False)
        subprocess.run([*build, "-o", plan], capture_output=True, check=False)
        if plan.exists():
            (programs / model.name).write_bytes(program_of(plan))


def make_npy_seeds(folder):
    import io
    import numpy
    for name, array in (("f4", numpy.ones((2, 3), "f4")), ("i8", numpy.arange(3)), ("text", numpy.array(["a", "bc"])),
                        ("empty", numpy.zeros((0, 2), "?")), ("untyped", numpy.zeros(4, "V2"))):
        file = io.BytesIO()
        numpy.save(file, array)
        (folder / name).write_bytes(b"\x10" + file.getvalue())
    (folder / "shapes").write_bytes(b"Sinput:1x3x224x224,mask:1x128,scalar:")


def make_serve_seeds(folder):
    import gzip
    body = b'{"id":"a","inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[[1,2,3,4.5]]}],"outputs":[{"name":"y"}]}'
    binary = b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":7}}]}'
    head = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nInference-Header-Content-Length: 3\r\n\r\n"
    chunks = b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    config = b'max_batch_size: 4 input [{ name: "x" data_type: TYPE_FP32 dims: [4] }] dynamic_batching { preferred_batch_size: 2 }'
    for name, seed in (("head", b"H" + head), ("chunks", b"H" + chunks), ("json", b"J" + body),
                       ("binary", b"B" + len(binary).to_bytes(2, "big") + binary + b"\3\0\0\0abc"),
                       ("gzip", b"Z" + gzip.compress(body)), ("route", b"R/v2/models/a%2Fb/versions/3/infer"),
                       ("config", b"C" + config), ("config_json", b'K{"max_batch_size":4,"input":[{"name":"x"}]}'),
                       ("base64", b"6YWJj")):
        (folder / name).write_bytes(seed)


def make_load_seeds(folder):
    shape = b'"datatype":"FP32","shape":[-1,3]}]'
    for name, seed in (("http", b"aHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
                       ("chunked", b"bHTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                       ("json", b'J{"inputs":[{"name":"x",' + shape + b',"outputs":[{"name":"y",' + shape + b"}"),
                       ("grpc", b"P\x0a\x01m\x22\x0d\x0a\x01x\x12\x04FP32\x1a\x02\x01\x03")):
        (folder / name).write_bytes(seed)


def make_grpc_seeds(folder):
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    typed = field(1, b"x") + field(2, b"FP32") + field(3, b"\x01\x02")
    strings = field(1, b"s") + field(2, b"BYTES") + field(3, b"\x02")
    sequence = field(4, field(1, b"sequence_id") + field(2, b"\x10\x05"))
    for name, seed in (("raw", field(5, typed) + field(7, b"\0" * 8)), ("typed", field(5, typed + field(5, field(6, b"\0" * 8)))),
                       ("strings", field(5, strings) + field(7, b"\x02\0\0\0ab\0\0\0\0")), ("sequence", sequence)):
        (folder / name).write_bytes(b"\x07" + field(1, b"m") + seed)


def seeds(fixed):
    """Folders of seeds by fuzzer, made once."""
    home = BUILD / ("fixed_seeds" if fixed else "seeds")
    folders = {name: home / name for name in ("model", "graph_text", "plan", "npy", "serve", "load", "grpc_request")}
    if not (home / "done").exists():
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        make_model_seeds(folders["model"], FEW_MODELS if fixed else sys.maxsize)
        models = thinned(sorted(folders["model"].iterdir()), FEW_TEXTS if fixed else TEXT_SEEDS)
        make_text_seeds(models, folders["graph_text"], folders["plan"])
        make_npy_seeds(folders["npy"])
        make_serve_seeds(folders["serve"])
        make_load_seeds(folders["load"])
        make_grpc_seeds(folders["grpc_request"])
        (home / "done").touch()
    return {**folders, "import": folders["model"]}


def run(fuzzer, seconds, seed_folder, fixed):
    """True where nothing was found."""
    name = fuzzer.name.removesuffix("_fuzz")
    corpus, crashes, kept = BUILD / ("fixed_corpus" if fixed else "corpus") / name, BUILD / "crashes", KEPT / name
    if fixed:
        shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(exist_ok=True)
    log = BUILD / f"{fuzzer.name}.log"
    folders = [corpus, seed_folder] + ([kept] if kept.exists() else [])
    bounds = ["-seed=1", f"-runs={FIXED_INPUTS[name]}", f"-timeout={FIXED_TIMEOUT}"] if fixed else [f"-timeout={TIMEOUT}"]
    with log.open("w") as out:
        done = subprocess.run([fuzzer, *folders, *bounds, f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY}",
                               "-max_len=20000", "-len_control=0", "-print_final_stats=1", "-close_fd_mask=1",
                               f"-artifact_prefix={crashes}/{name}-"],
                              env={**os.environ, **ENVIRONMENT}, stdout=out, stderr=subprocess.STDOUT, check=False)
    text = log.read_text(errors="replace")
    count = re.findall(r"number_of_executed_units: *(\d+)", text) or re.findall(r"^#(\d+)", text, re.MULTILINE) or ["0"]
    print(f"{fuzzer.name}: {count[-1]} inputs, {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
    if done.returncode != 0:
        print("\n".join(line for line in text.splitlines()[-80:] if not line.startswith("#")))
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description="Runs each fuzzer for some seconds.")
    parser.add_argument("--fixed", action="store_true", help="the same inputs at every run")
    parser.add_argument("seconds", nargs="?", type=int, default=10)
    parser.add_argument("fuzzers", nargs="*", help="by name; all where none is given")
    arguments = parser.parse_args()
    fuzzers = sorted(BIN.glob("*_fuzz"))
    names = [path.name for path in fuzzers]
    if unknown := set(arguments.fuzzers) - set(names):
        parser.error(f"no fuzzer {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    folders = seeds(arguments.fixed)
    results = [run(path, arguments.seconds, folders[path.name.removesuffix("_fuzz")], arguments.fixed)
               for path in fuzzers if not arguments.fuzzers or path.name in arguments.fuzzers]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
