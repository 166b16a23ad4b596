# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The transcripts of docs/python.md are true, and the programs of examples/python work."""
import doctest
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "python"


def test_the_transcripts_are_true():
    failed, count = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False)
    assert count > 15 and failed == 0


def run(name, *arguments):
    done = subprocess.run([sys.executable, EXAMPLES / name, *map(str, arguments)], capture_output=True, text=True,
                          timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_classify(tmp_path):
    lines = run("classify.py", tmp_path / "classify.plan")
    assert lines[0].startswith("75 ONNX nodes became")
    # The model's README gives 89.40 %; rounding may move single images.
    assert 0.892 <= float(lines[1].split("%")[0]) / 100 <= 0.896
    assert (tmp_path / "classify.plan").stat().st_size > 1_000_000


def test_text_lengths():
    lines = run("text_lengths.py")
    assert lines[0] == "input_ids: int64[batch, sequence]"
    assert [line for line in lines if "sentences" in line] == [
        f"{batch} sentences of {length} tokens: logits ({batch}, 2)" for batch, length in ((1, 8), (4, 16), (2, 40))]


def test_threads():
    (line,) = run("threads.py")
    assert line.startswith("50 batches on 2 threads: 89.4")


def test_custom_operator():
    assert run("custom_operator.py") == ["<penstock.TensorInfo 'share': float32 [batch]>", "0.700 0.500"]


def test_every_example_is_run():
    elsewhere = {"tensorrt_script.py"}  # in test_trt.py
    tested = {"classify.py", "text_lengths.py", "threads.py", "custom_operator.py"} | elsewhere
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested
