# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""docs/operators.md is what its generator writes."""
import importlib.util

from command import ROOT, penstock

GENERATOR = ROOT / "tools" / "docs" / "operators.py"


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("operators", GENERATOR)
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.PAGE.read_text() == generator.page(), "run: .venv/bin/python tools/docs/operators.py"


def test_the_command_lists_operators_with_their_kernels():
    lines = penstock("operators").stdout.splitlines()
    conv = next(line for line in lines if line.startswith("Conv "))
    assert "onednn.conv" in conv
    assert any(line.startswith("Attention ") for line in lines)
