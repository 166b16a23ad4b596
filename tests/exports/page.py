# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Writes docs/models.md from the outcomes of all cases."""
from exports.case import EXPORTERS
from exports.table import CASES

HEAD = """# Models

Architectures of PyTorch's libraries, written as ONNX by both of PyTorch's exporters and compared with ONNX Runtime: {agree} of the {exported} files
that ONNX Runtime itself runs give its results. `./dev exports` writes this page; the tables are in `tests/exports/`.

{versions}. Weights are random; vision models have their full size, the
others fewer layers and heads of real sizes. Batch, sequence length and, where it fits, height and width vary, and each file is run at two sizes. The
numbers are the largest difference from ONNX Runtime in float32, relative to the largest value of the output; 1e-4 is the limit. Detections are
compared as sets. *one size*: the exporter fixed what should vary, so that ONNX Runtime refuses the second size as well.

| architecture | from | TorchScript exporter, opset {torchscript} | newer exporter (`dynamo=True`), opset {dynamo} |
|---|---|---|---|
"""
GOOD = "agrees"


def cell(case, outcome, notes):
    if outcome is None:
        return "not run"
    result = outcome["result"]
    if result in ("exporter", "peer"):
        who = "not exported" if result == "exporter" else "ONNX Runtime fails"
        detail = outcome["detail"].removeprefix("ONNX Runtime: ")
        if detail not in notes:
            notes.append(detail)
        return f"{who} [{notes.index(detail) + 1}]"
    if result != GOOD:
        return f"**{result}**: {outcome['detail'][:120]}" + (f"; {case.note}" if case.note else "")
    told = f"{outcome['error']:.0e}" if outcome["error"] else "same detections"
    return told + (", one size" if outcome["runs"] < 2 else "")


def escaped(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def page(outcomes, versions):
    """outcomes: {(name, exporter): outcome}."""
    run = {name for name, _ in outcomes}
    cases = [case for case in CASES.values() if case.name in run]
    kinds = list(dict.fromkeys(case.kind for case in cases))
    notes, rows = [], []
    for kind in kinds:
        rows.append(f"| **{kind}** | | | |")
        for case in cases:
            if case.kind == kind:
                cells = [cell(case, outcomes.get((case.name, exporter)), notes) for exporter in EXPORTERS]
                rows.append(f"| `{case.name}` | {case.library} | {' | '.join(escaped(text) for text in cells)} |")
    tried = [outcome for outcome in outcomes.values() if outcome["result"] not in ("exporter", "peer")]
    opsets = {exporter: ", ".join(sorted({str(outcome["opset"]) for (_, by), outcome in outcomes.items()
                                          if by == exporter and "opset" in outcome})) for exporter in EXPORTERS}
    head = HEAD.format(agree=sum(outcome["result"] == GOOD for outcome in tried), exported=len(tried), versions=versions, **opsets)
    reasons = "\n".join(f"{i + 1}. {escaped(note)}" for i, note in enumerate(notes))
    return head + "\n".join(rows) + ("\n\nWhy some are missing:\n\n" + reasons if notes else "") + "\n"
