# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Code blocks in docs/ equal the code that the tests compile. With --fix, writes them anew.

A block that follows a line `<!-- code: FILE#NAME -->` holds what stands in FILE between `// [NAME]` and `// [end]`.
"""
import re
import sys

import sources

BLOCK = re.compile(r"(<!-- code: (?P<file>\S+)#(?P<name>\w+) -->\n```cpp\n)(?P<code>.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def region(path, name):
    """The marked lines of a source, or None."""
    found = re.search(rf"^// \[{name}\]\n(.*?)^// \[end\]$", sources.read(path), re.MULTILINE | re.DOTALL)
    return found and found[1]


def expected(match):
    code = region(match["file"], match["name"]) if (sources.ROOT / match["file"]).exists() else None
    return match[1] + (code if code is not None else match["code"])


def problems_of(path, text):
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        code = region(match["file"], match["name"]) if (sources.ROOT / match["file"]).exists() else None
        if code is None:
            yield f"{path}:{line}: {match['file']} has no region [{match['name']}]"
        elif code != match["code"]:
            yield f"{path}:{line}: differs from {match['file']}; run tools/checks/doc_code.py --fix"


def main(arguments):
    pages = [path for path in sources.all_files() if path.suffix == ".md" and path.parts[0] == "docs"]
    if "--fix" in arguments:
        for path in pages:
            text = sources.read(path)
            (sources.ROOT / path).write_text(BLOCK.sub(expected, text), encoding="utf-8")
    problems = [problem for path in pages for problem in problems_of(path, sources.read(path))]
    blocks = sum(len(BLOCK.findall(sources.read(path))) for path in pages)
    return sources.report("code in docs", problems, f"{blocks} blocks")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
