# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""No source file over 800 lines; prints the median and the 95th percentile."""
import statistics
import sys

import sources

LIMIT = 800


def main():
    lengths = {path: sources.read(path).count("\n") for path in sources.sources(".cc", ".h", ".py")}
    problems = [f"{path}: {lines} lines, the limit is {LIMIT}: split it by subject"
                for path, lines in lengths.items() if lines > LIMIT]
    ordered = sorted(lengths.values()) or [0]
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    summary = (f"{len(lengths)} files, {sum(ordered)} lines, median {statistics.median(ordered):.0f}, "
               f"p95 {p95}, longest {ordered[-1]}")
    return sources.report("file length", problems, summary)


if __name__ == "__main__":
    sys.exit(main())
