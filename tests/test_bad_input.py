# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind: exit code 1, one clear message that names what and where, and no file left behind."""
import os
import signal
import struct
import subprocess
import time

import catalog
import numpy as np
import pytest
import small_models
from command import PENSTOCK, build, penstock, run

MAGIC_BYTES, VERSION_AT = 8, 8  # where the plan's header holds its format version


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def onnx(folder):
    return small_models.conv_net(folder / "net.onnx")


@pytest.fixture(scope="module")
def plan(folder, onnx):
    build(onnx, folder / "net.plan", "--max-shapes", "images:8x3x16x16", level=0)
    return folder / "net.plan"


@pytest.fixture(scope="module")
def sum_plan(folder):
    build(small_models.two_inputs(folder / "sum.onnx"), folder / "sum.plan", level=0)
    return folder / "sum.plan"


def fails(*arguments, says, **options):
    """The command fails with exit code 1 and one error line that holds all of `says`."""
    text = penstock(*arguments, exit_code=1, **options).stderr
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, text
    for words in says:
        assert words in errors[0], f"'{words}' is not in: {errors[0]}"


def build_fails(tmp_path, model, *options, says):
    fails("build", model, "-o", tmp_path / "out.plan", *options, says=says)
    assert not list(tmp_path.glob("out.plan*")), "a partial file was left"


def test_missing_model(tmp_path):
    build_fails(tmp_path, tmp_path / "missing.onnx", says=["missing.onnx", "No such file"])


def test_folder_as_model(tmp_path):
    build_fails(tmp_path, tmp_path, says=[str(tmp_path), "directory"])


@pytest.mark.parametrize("content", [b"", b"hello, world\n" * 50, bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n" * 9],
                         ids=["empty", "text", "bytes", "png"])
def test_not_onnx(tmp_path, content):
    model = tmp_path / "other.onnx"
    model.write_bytes(content)
    build_fails(tmp_path, model, says=["other.onnx"])


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.9, 0.999])
def test_truncated_model(tmp_path, onnx, keep):
    data = onnx.read_bytes()
    model = tmp_path / "cut.onnx"
    model.write_bytes(data[:int(len(data) * keep)])
    build_fails(tmp_path, model, says=["cut.onnx"])


def test_unsupported_operators_are_listed_at_once(tmp_path):
    model = small_models.unsupported(tmp_path / "odd.onnx")
    build_fails(tmp_path, model, says=["odd.onnx", "com.example::Frobnicate", "first", "second", "Wibble", "third"])


def test_cyclic_graph(tmp_path):
    build_fails(tmp_path, small_models.cyclic(tmp_path / "ring.onnx"), says=["ring.onnx", "cycl", "first"])


def test_dangling_input(tmp_path):
    build_fails(tmp_path, small_models.dangling(tmp_path / "loose.onnx"), says=["loose.onnx", "nowhere", "lonely"])


def test_external_data_is_missing(tmp_path):
    model = small_models.outside_file(tmp_path / "split.onnx", "weights.bin")
    build_fails(tmp_path, model, says=["split.onnx", "weights.bin"])


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "a/../../secret.bin"])
def test_external_data_outside_the_folder_is_refused(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(1024))
    (tmp_path / "model").mkdir()
    model = small_models.outside_file(tmp_path / "model" / "sly.onnx", location)
    build_fails(tmp_path, model, says=["sly.onnx", location])


@pytest.mark.parametrize("options, says", [
    (["--max-shapes", "imagse:8x3x16x16"], ["imagse", "did you mean 'images'"]),
    (["--max-shapes", "images:8x3x16"], ["images", "rank 3"]),
    (["--max-shapes", "images:8x4x16x16"], ["images", "axis 1", "cannot vary"]),
    (["--min-shapes", "images:4x3x16x16", "--max-shapes", "images:2x3x16x16"], ["images", "axis 0", "min <= opt <= max"]),
    (["--max-shapes", "images=8x3x16x16"], ["images=8x3x16x16"]),
    (["--device", "tpu"], ["tpu", "cpu"]),
], ids=["name", "rank", "fixed axis", "order", "syntax", "device"])
def test_bad_build_options(tmp_path, onnx, options, says):
    build_fails(tmp_path, onnx, *options, says=says)


def test_broken_timing_cache(tmp_path, onnx):
    cache = tmp_path / "notes.txt"
    cache.write_text("my notes")
    build_fails(tmp_path, onnx, "--timing-cache", cache, says=["notes.txt", "timing cache"])
    assert cache.read_text() == "my notes"


def test_plan_in_a_missing_folder(tmp_path, onnx):
    fails("build", onnx, "-o", tmp_path / "none" / "out.plan", says=["none", "no folder"])


def test_plan_over_a_folder(tmp_path, onnx):
    (tmp_path / "out.plan").mkdir()
    fails("build", onnx, "-o", tmp_path / "out.plan", says=["out.plan", "folder"])


def test_plan_in_a_folder_without_permission(tmp_path, onnx):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write anywhere")
    fails("build", onnx, "-o", locked / "out.plan", says=["locked", "permission"])


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_no_space_for_the_plan(full_disk):
    model = catalog.path_of("cifar_resnet20")
    fails("build", model, "-o", full_disk / "out.plan", "--opt-level", 0, says=["out.plan", "No space left"])
    assert not list(full_disk.iterdir())


def test_no_space_for_outputs(plan, full_disk):
    with pytest.raises(OSError), open(full_disk / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    fails("run", plan, "--output-dir", full_disk, says=["logits.npy", "No space left"])
    assert not list(full_disk.rglob("*.npy"))


def test_output_folder_cannot_be_made(plan, tmp_path):
    (tmp_path / "file").write_text("")
    fails("run", plan, "--output-dir", tmp_path / "file" / "out", says=["file/out"])


@pytest.mark.parametrize("name", ["--export-times", "--export-profile", "--export-output"])
def test_exports_on_a_full_device(plan, name):
    fails("bench", plan, "--duration", 0, "--iterations", 1, name, "/dev/full", says=["/dev/full", "No space left"])


@pytest.mark.parametrize("array, says", [
    (np.zeros((9, 3, 16, 16), np.float32), ["images", "[9, 3, 16, 16]", "outside the profile", "0 to 8"]),
    (np.zeros((1, 3, 16, 17), np.float32), ["images", "extent 3", "16"]),
    (np.zeros((3, 16, 16), np.float32), ["images", "rank 3"]),
    (np.zeros((1, 3, 16, 16), np.float64), ["images", "float64", "float32"]),
    (np.zeros((1, 3, 16, 16), np.int64), ["images", "int64", "float32"]),
], ids=["profile", "extent", "rank", "float64", "int64"])
def test_wrong_arrays(plan, tmp_path, array, says):
    np.save(tmp_path / "x.npy", array)
    fails("run", plan, "--input", f"images={tmp_path}/x.npy", says=says)


def test_wrong_input_name(plan):
    fails("run", plan, "--input", "image=random", says=["'image'", "did you mean 'images'"])


def test_inputs_that_disagree(sum_plan, tmp_path):
    np.save(tmp_path / "left.npy", np.zeros((2, 4), np.float32))
    np.save(tmp_path / "right.npy", np.zeros((3, 4), np.int64))
    fails("run", sum_plan, f"--input=left={tmp_path}/left.npy", f"--input=right={tmp_path}/right.npy",
          says=["rows", "left", "right", "2", "3"])


@pytest.mark.parametrize("content", [b"", b"not numpy", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x01\x00\x04\x00{}  "],
                         ids=["empty", "text", "cut header", "no fields"])
def test_broken_npy(plan, tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    fails("run", plan, "--input", f"images={tmp_path}/x.npy", says=["x.npy"])


def test_missing_npy(plan, tmp_path):
    fails("run", plan, "--input", f"images={tmp_path}/none.npy", says=["none.npy", "No such file"])


def changed(plan, tmp_path, change):
    data = bytearray(plan.read_bytes())
    target = tmp_path / "changed.plan"
    target.write_bytes(change(data))
    return target


def flip(at):
    def change(data):
        data[at if at >= 0 else len(data) + at] ^= 0x10
        return data
    return change


@pytest.mark.parametrize("change, says", [
    (lambda data: data[:60], ["truncated"]),
    (lambda data: data[:len(data) // 2], ["truncated"]),
    (lambda data: data[:-1], ["truncated"]),
    (lambda data: data + b"x", ["trailing"]),
    (lambda data: b"", ["not a Penstock plan"]),
    (lambda data: b"GARBAGE!" + data[MAGIC_BYTES:], ["not a Penstock plan"]),
    (flip(20), ["corrupted"]),
    (flip(300), ["corrupted"]),
    (flip(-5), ["corrupted"]),
    (lambda data: data[:VERSION_AT] + struct.pack("<I", 999) + data[VERSION_AT + 4:], ["999", "newer"]),
], ids=["header cut", "half", "one byte short", "one byte long", "empty", "foreign", "header", "program", "constants", "newer"])
@pytest.mark.parametrize("command", ["run", "inspect", "bench"])
def test_broken_plans(plan, tmp_path, command, change, says):
    fails(command, changed(plan, tmp_path, change), says=["changed.plan", *says])


def test_missing_plan(tmp_path):
    fails("run", tmp_path / "none.plan", says=["none.plan", "No such file"])


def test_model_given_as_plan(onnx):
    fails("run", onnx, says=["net.onnx", "not a Penstock plan"])


def test_plan_for_another_instruction_set(plan):
    capped = {**os.environ, "PENSTOCK_MAX_ISA": "SSE4"}
    if "built for sse4" in penstock("inspect", plan).stdout:
        pytest.skip("this processor has nothing beyond SSE4")
    fails("run", plan, env=capped, says=["net.plan", "built for", "sse4", "build the plan again"])


def test_plan_for_an_old_processor_runs_anywhere(onnx, tmp_path):
    capped = {**os.environ, "PENSTOCK_MAX_ISA": "SSE4"}
    penstock("build", onnx, "-o", tmp_path / "old.plan", "--opt-level", 0, "-q", env=capped)
    assert run(tmp_path / "old.plan", {"images": np.ones((1, 3, 16, 16), np.float32)})["logits"].shape == (1, 10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "TERM"])
def test_interrupted_build_leaves_nothing(tmp_path, number):
    model = catalog.path_of("minilm_sentiment")
    command = [PENSTOCK, "build", str(model), "-o", str(tmp_path / "out.plan"), "--opt-level", "5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:  # wait until it measures
            if "tune" in line:
                break
        time.sleep(0.5)
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 1, rest
    assert "error: " in rest and "timing-cache" in rest
    assert not list(tmp_path.iterdir())
