# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Includes between the rooms of src/ go one way only. The table is the rule."""
import pathlib
import re
import sys

import sources

ALLOWED = {
    "base": set(),
    "ir": {"base"},
    "backends": {"base", "ir"},
    "ops": {"base", "ir", "backends"},
    "plan": {"base", "ir", "backends"},
    "runtime": {"base", "ir", "ops", "backends", "plan"},
    "import": {"base", "ir", "ops"},
    "passes": {"base", "ir", "ops"},
    "quantize": {"base", "ir", "ops"},
    "tune": {"base", "ir", "ops", "backends", "plan"},
    "compiler": {"base", "ir", "ops", "backends", "plan", "runtime",
                 "import", "passes", "quantize", "tune"},
}
ALLOWED["load"] = {"base"}
ALLOWED["diagnostics"] = set(ALLOWED)
ALLOWED["accuracy"] = set(ALLOWED)
# The server stands on the public API, as an application does.
ALLOWED["serve"] = {"base"}
ALLOWED["cli"] = set(ALLOWED)

# Protobuf and the ONNX schema stay in the importer, and in the server, whose messages are protobuf's, so that a process
# that only runs plans never loads them.
SCHEMA = re.compile(r"^(onnx|google/protobuf)/")
SCHEMA_ROOMS = {"import", "serve"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def problem(path, quote, target):
    """Why this include is wrong, or None."""
    first = target.split("/")[0]
    place = path.parts[0]
    if place == "include" or place == "examples":
        if quote == '"' and "/" in target and first in ALLOWED:
            return f"public code sees only <penstock/...>, not src/{first}"
        return None
    if place != "src":
        return None
    room = path.parts[1]
    if room not in ALLOWED:
        return f"room src/{room} is missing from the table in tools/checks/include_direction.py"
    if SCHEMA.match(target) and room not in SCHEMA_ROOMS:
        return "only src/import and src/serve use the ONNX schema and protobuf"
    if quote == "<" and first in ALLOWED and (sources.ROOT / "src" / target).exists():
        return f'write "{target}", in quotes'
    if quote == '"':
        if (sources.ROOT / "include" / target).exists():
            return f"write <{target}>"
        if first in ALLOWED and first != room and first not in ALLOWED[room]:
            return f"{room} must not depend on {first}"
        beside = (path.parent / target).as_posix().removeprefix("src/")
        if first not in ALLOWED and (sources.ROOT / "src" / beside).exists():
            return f'write "{beside}", from the root of src'
    return None


def main():
    problems = []
    count = 0
    for path in sources.sources(".cc", ".h"):
        if path.parts[0] == "src" and len(path.parts) < 3:
            continue
        text = sources.read(path)
        for match in INCLUDE.finditer(text):
            count += 1
            why = problem(pathlib.PurePosixPath(path), match[1], match[2])
            if why:
                line = text.count("\n", 0, match.start(1)) + 1
                problems.append(f"{path}:{line}: {match[2]}: {why}")
    return sources.report("include direction", problems, f"{count} includes")


if __name__ == "__main__":
    sys.exit(main())
