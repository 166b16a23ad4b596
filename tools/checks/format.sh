#!/usr/bin/env bash
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# Are the C++ sources formatted? With --fix, formats them. Debian 12's clang-format decides, so that all machines agree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tool=$(command -v clang-format-14 || true)
if [[ -z $tool ]]; then
  echo "format: skipped, clang-format-14 is not installed (./dev setup installs it)"
  exit 0
fi

mapfile -d '' -t files < <(PYTHONPATH=tools/checks python3 -B -c '
import sources
print(end="".join(f"{path}\0" for path in sources.sources(".cc", ".h")))')
if [[ ${#files[@]} -eq 0 ]]; then
  echo "format: ok, 0 files"
elif [[ ${1:-} == --fix ]]; then
  printf '%s\0' "${files[@]}" | xargs -0 -n 16 -P "$(nproc)" "$tool" -i
  echo "format: ${#files[@]} files formatted"
else
  # The report has a few lines per place; the names of the files say enough.
  report=$(printf '%s\0' "${files[@]}" | xargs -0 -n 16 "$tool" --dry-run -Werror 2>&1) && status=0 || status=$?
  if [[ $status -eq 0 ]]; then
    echo "format: ok, ${#files[@]} files"
  else
    grep -oE '^[^: ]+:[0-9]+:[0-9]+: error' <<<"$report" | cut -d: -f1 | sort | uniq -c |
      awk '{print $2 ": " $1 " place(s) to format"}'
    echo "format: run ./dev format"
    exit 1
  fi
fi
