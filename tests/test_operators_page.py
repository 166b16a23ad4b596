# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""docs/operators.md is what its generator writes."""
import importlib.util

import pytest
from command import ROOT, penstock

SPEC = importlib.util.spec_from_file_location("operators", ROOT / "tools" / "docs" / "operators.py")
GENERATOR = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(GENERATOR)
ADVICE = "run: .venv/bin/python tools/docs/operators.py"


def without_last_column(page):
    return [line.rsplit(" | ", 1)[0] if line.startswith("| ") else line for line in page.splitlines()]


def test_the_page_is_up_to_date():
    page, wanted = GENERATOR.PAGE.read_text(), GENERATOR.page(GENERATOR.read_facts())
    assert without_last_column(page) == without_last_column(wanted), ADVICE


def test_the_column_of_the_gpu_is_up_to_date():
    facts = GENERATOR.read_facts()
    if "cuda" not in GENERATOR.backends_of(facts):
        pytest.skip("the CUDA backend is not built here: its kernels are not known")
    assert GENERATOR.PAGE.read_text() == GENERATOR.page(facts), ADVICE


def test_the_command_lists_operators_with_their_kernels():
    lines = penstock("operators").stdout.splitlines()
    conv = next(line for line in lines if line.startswith("Conv "))
    assert "onednn.conv" in conv
    assert any(line.startswith("Attention ") for line in lines)
