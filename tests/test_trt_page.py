# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""docs/tensorrt.md tells what is so: every name of its tables against the package."""
from trt_helpers import ROOT, Messages

import penstock.trt as trt


def rows_of_the_page():
    """(name, here) of every row of docs/tensorrt.md."""
    for line in (ROOT / "docs/tensorrt.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[2] in ("works", "kept", "not supported"):
            holder, _, members = cells[1].replace("`", "").rpartition(": ")
            for name in members.split(", "):
                yield (f"{holder}.{name}" if holder else name), cells[2]
            if holder and cells[2] != "not supported":
                yield holder, cells[2]


def found(name):
    """The object that a name of the page stands for."""
    value = trt
    for part in name.split("."):
        value = getattr(value, part)
    return value


def raises_not_supported(name):
    holder, *rest = name.split(".")
    try:
        if not rest:
            getattr(trt, holder)
        elif holder == "BuilderFlag":
            trt.Builder(Messages()).create_builder_config().set_flag(trt.BuilderFlag[rest[0]])
        else:
            kind = getattr(trt, holder)
            instance = kind.__new__(kind)
            getattr(instance, rest[0])
            setattr(instance, rest[0], 1)  # what is there can be read
    except trt.NotSupportedError as error:
        return name in str(error)
    return False


def test_the_page_tells_what_is_so():
    rows = dict(rows_of_the_page())
    assert len(rows) > 500
    wrong = [name for name, here in rows.items() if here == "not supported" and not raises_not_supported(name)]
    for name in (name for name, here in rows.items() if here != "not supported"):
        try:
            found(name)
        except AttributeError:
            wrong.append(name)
    assert not wrong


def test_the_page_names_everything_that_is_here():
    rows = dict(rows_of_the_page())
    public = {name for name in vars(trt) if not name.startswith("_") and isinstance(getattr(trt, name), type)}
    assert not sorted(public - set(rows))
