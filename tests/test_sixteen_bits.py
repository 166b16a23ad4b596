# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The shipped models in 16 bits on a processor that has instructions for them: as ONNX Runtime says in FP32, and as accurate."""
import os

import catalog
import command
import datasets
import numpy as np
import pytest
from test_models import onnx_runtime

MOST_LOSS = {"cifar_resnet20": 0.001, "ctr_donation": 0.0005, "minilm_sentiment": 0.002}
# Of the largest value, through all layers: bfloat16 rounds to 1 part in 256, and what it rounds adds up.
RELATIVE = {"--fp16": 5e-2, "--bf16": 5e-2}


def built_in_sixteen_bits(source, plan, flag):
    """Skips where the processor has no such instructions; True where the plan has layers in 16 bits."""
    done = command.penstock("build", source, "-o", plan, "--opt-level", 1, "--device", "cpu", "-q", flag,
                            "--timing-cache", command.WORK / "timing.cache")
    if "computes in float32 here" in done.stderr:
        plan.unlink()
        pytest.skip("this processor has no instructions for floats of 16 bits")
    return "is faster in float32" not in done.stderr


@pytest.mark.parametrize("flag", ["--fp16", "--bf16"])
@pytest.mark.parametrize("task", datasets.TASKS, ids=lambda task: task.name)
def test_shipped_models(task, flag):
    command.WORK.mkdir(parents=True, exist_ok=True)
    source = catalog.path_of(task.name)
    plan = command.WORK / f"{task.name}{flag}.plan"
    has_sixteen_bits = built_in_sixteen_bits(source, plan, flag)
    groups, labels = task.load()
    outputs = [command.run(plan, inputs) for inputs in groups]
    joined = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}
    assert task.judge(joined, labels) >= task.reference - MOST_LOSS[task.name] - 0.0015
    expected = onnx_runtime(source)(groups[0])
    for name, values in expected.items():
        worst = np.abs(outputs[0][name] - values).max()
        assert worst <= RELATIVE[flag] * np.abs(values).max(), f"{name} differs by {worst:.3g}"
    if has_sixteen_bits:
        refused = command.penstock("run", plan, exit_code=1, env={**os.environ, "PENSTOCK_MAX_ISA": "AVX2"})
        assert "and this processor runs avx2 at most" in refused.stderr
    plan.unlink()
