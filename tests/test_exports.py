# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Models of PyTorch's libraries, by both of its exporters. Slow, and run by ./dev exports alone; without them, what the page tells is
checked against the tables."""
import importlib.util
import os
import re

import pytest
from command import ROOT
from exports.case import EXPORTERS
from exports.table import CASES

NEEDED = ("torch", "torchvision", "timm", "transformers", "onnxscript")
ABSENT = [name for name in NEEDED if importlib.util.find_spec(name) is None]
PAGE = ROOT / "docs" / "models.md"
CHOSEN = list(CASES) if "PENSTOCK_EXPORTS" in os.environ else []


@pytest.mark.skipif(not CHOSEN, reason="./dev exports --test runs it")
@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)} (requirements/exports.txt)")
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", CHOSEN)
def test_agrees_with_onnx_runtime(name, exporter):
    from exports.__main__ import outcome_of
    outcome = outcome_of(CASES[name], exporter, ROOT / "build" / "exports", again=False, level=1, seconds=600)
    if outcome["result"] in ("exporter", "peer"):
        pytest.skip(outcome["detail"])
    assert outcome["result"] == "agrees", outcome["detail"]
    assert outcome["runs"] >= 1


def test_the_page_is_of_these_tables():
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed)) > 0
    assert set(listed) <= set(CASES), "run: ./dev exports"
