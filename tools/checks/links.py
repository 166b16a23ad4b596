# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Relative links in Markdown lead to files, and the README stays under 120 lines."""
import re
import sys

import sources

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
README_LINES = 120


def broken_links(path):
    text = CODE.sub(lambda code: "\n" * code[0].count("\n"), sources.read(path))
    for match in LINK.finditer(text):
        if not (sources.ROOT / path.parent / match[1]).exists():
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: no file {match[1]}"


def main():
    pages = [path for path in sources.all_files() if path.suffix == ".md"]
    problems = [problem for path in pages for problem in broken_links(path)]
    lines = sources.read("README.md").count("\n") if (sources.ROOT / "README.md").exists() else 0
    if lines >= README_LINES:
        problems.append(f"README.md: {lines} lines, the limit is {README_LINES - 1}")
    return sources.report("links", problems, f"{len(pages)} pages, README {lines} lines")


if __name__ == "__main__":
    sys.exit(main())
