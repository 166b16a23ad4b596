# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The ONNX backend suite of the installed onnx package, run through ONNX's own runner, case by case.

Cases run in worker processes: one that dies or hangs is a failed case, and the others go on. A worker is this file
run as a program with an engine's name; it reads names of cases and answers each with a line of JSON.
"""
import collections
import concurrent.futures
import json
import os
import pathlib
import queue
import re
import selectors
import subprocess
import sys
import unittest
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXPECTED = ROOT / "tests" / "onnx_suite_expected.txt"
TIMEOUT = 120  # seconds for one case
WIDEST_REASON = 160


def backend_of(engine):
    """The module or class with ONNX's backend interface."""
    if engine == "penstock":
        import penstock.backend
        return penstock.backend
    sys.path.insert(0, str(ROOT / "bench"))
    import onnxruntime_backend
    return onnxruntime_backend


def load_cases(engine):
    """{name: unittest case} of the suite on the CPU."""
    os.environ.setdefault("ONNX_HOME", str(ROOT / "build" / "onnx_home"))
    import onnx.backend.test
    runner = onnx.backend.test.BackendTest(backend_of(engine), __name__)
    cases = {}
    for group in runner.test_cases.values():
        for name in unittest.defaultTestLoader.getTestCaseNames(group):
            if name.endswith("_cpu"):
                cases[name.removesuffix("_cpu")] = group(name)
    return cases


def failure_of(case):
    """Why a case fails, or None."""
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case.run(result)
    if result.skipped:
        return f"skipped: {result.skipped[0][1]}"
    trouble = result.errors + result.failures
    return reason_of(trouble[0][1]) if trouble else None


def reason_of(trace):
    """One line that says what went wrong: the first of the exception's text, and NumPy's counts of what differs."""
    text = trace.rstrip().split("\n")
    starts = [i for i, line in enumerate(text) if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Fail|Argument|\w*NotImplemented)\b", line)]
    lines = [line.strip() for line in text[starts[-1] if starts else -1:] if line.strip()]
    if lines[0] == "AssertionError:":
        lines = ["AssertionError: " + "; ".join(lines[1:4])]
    return lines[0][:WIDEST_REASON]


def category(reason):
    """A reason without what differs from case to case: names of nodes and inputs, counts."""
    reason = re.sub(r" \((?:node|input|output)[^)]*(?:\)|$)", "", reason).removeprefix("penstock.errors.")
    reason = re.sub(r"^(\w+): \d+ (operator|type)s? (?:is|are) not supported", r"\1: \2 not supported", reason)
    reason = re.sub(r"; \d+ types? (?:is|are) not supported:.*", " and its types", reason)
    return re.sub(r"; Mismatch.*", "", reason).rstrip(" ,")


class Worker:
    """A process that runs cases of one engine, started again where it died."""

    def __init__(self, engine):
        self.engine = engine
        self.process = None

    def start(self):
        """The names of the cases, once they are loaded."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen([sys.executable, __file__, self.engine], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
                                        env=environment)
        return json.loads(self.process.stdout.readline())

    def run(self, name):
        if self.process is None:
            self.start()
        try:
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                line = self.process.stdout.readline() if selector.select(TIMEOUT) else None
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        self.stop()
        return f"no answer in {TIMEOUT} s" if line is None else "the process died"

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None


def run_suite(engine, pattern="", processes=None):
    """{case: None, or why it fails} of the cases whose names the pattern finds."""
    workers = [Worker(engine) for _ in range(processes or len(os.sched_getaffinity(0)))]
    left = queue.SimpleQueue()
    results = {}

    def work(worker):
        while not left.empty():
            try:
                name = left.get_nowait()
            except queue.Empty:
                break
            results[name] = worker.run(name)
        worker.stop()

    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
        names = list(pool.map(Worker.start, workers))[0]
        for name in names:
            if re.search(pattern, name):
                left.put(name)
        list(pool.map(work, workers))
    return results


def read_expected():
    """{case: reason} of the reviewed table: a heading "# reason", then a case a line."""
    expected, reason = {}, ""
    for line in EXPECTED.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            reason = line[2:]
        elif line:
            expected[line] = reason
    return expected


def write_expected(results):
    """Replaces the table by what fails now; a case that stays keeps the reason that a reviewer gave it."""
    known = read_expected() if EXPECTED.exists() else {}
    groups = collections.defaultdict(list)
    for name, reason in sorted(results.items()):
        if reason is not None:
            groups[known.get(name, category(reason))].append(name)
    blocks = ["\n".join([f"# {reason}", *names]) for reason, names in sorted(groups.items())]
    EXPECTED.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def main(engine):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what cases print is not an answer
    cases = load_cases(engine)
    print(json.dumps(sorted(cases)), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(failure_of(cases[line.strip()])), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
