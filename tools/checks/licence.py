# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Every source file begins with the one-line licence header (scripts may have #! above it)."""
import sys

import sources

TEXT = "Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0"
MARKS = {".cc": "//", ".h": "//", ".cu": "//", ".cuh": "//", ".py": "#", ".sh": "#", ".cmake": "#"}


def header_of(path):
    lines = sources.read(path).splitlines()[:2]
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    return lines[0] if lines else ""


def main():
    files = sources.sources(*MARKS)
    problems = [f"{path}:1: begin with '{MARKS[path.suffix]} {TEXT}'"
                for path in files if header_of(path) != f"{MARKS[path.suffix]} {TEXT}"]
    return sources.report("licence header", problems, f"{len(files)} files")


if __name__ == "__main__":
    sys.exit(main())
