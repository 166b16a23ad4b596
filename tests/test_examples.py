# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The examples that need more than their own files."""
import pathlib
import subprocess

import small_models
from command import PENSTOCK, penstock


def test_custom_operator(tmp_path):
    onnx = small_models.custom(tmp_path / "custom.onnx")
    example = pathlib.Path(PENSTOCK).with_name("custom_operator")
    done = subprocess.run([str(example), str(onnx)], capture_output=True, text=True, check=False,
                          env={"TMPDIR": str(tmp_path)}, timeout=60)
    assert (done.returncode, done.stdout) == (0, "0 0.25 1 \n"), done.stderr
    # Another process does not have the operator.
    message = penstock("run", tmp_path / "penstock_custom_operator.plan", "--input=x=random",
                       "--output-dir", tmp_path / "out", exit_code=1).stderr
    assert "'reference.com.example::Clamp'" in message
    assert "register the operator" in message
