#!/usr/bin/env bash
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# clang-tidy over the files that differ from main, or with --all over every source. Needs a release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# clang does not look where g++ keeps omp.h, nor know its attributes.
mkdir -p build/lint
sed 's/__malloc__ (omp_free)/__malloc__/' "$(g++ -print-file-name=include/omp.h)" >build/lint/omp.h

all_sources() { find src tests bench examples -name '*.cc' 2>/dev/null || true; }
changed_sources() {
  local base
  base=$(git merge-base HEAD main 2>/dev/null || git rev-parse --verify -q HEAD || true)
  { [[ -z $base ]] || git diff --name-only --diff-filter=d "$base"
    git ls-files --others --exclude-standard; } | grep -E '^(src|tests|bench|examples)/.*\.cc$' | sort -u || true
}

if [[ ${1:-} == --all ]]; then
  mapfile -t files < <(all_sources)
else
  mapfile -t files < <(changed_sources)
fi
[[ ${#files[@]} -gt 0 ]] || { echo "no changed sources; ./dev lint --all takes every one"; exit 0; }

status=0
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "${PENSTOCK_JOBS:-$(nproc)}" \
  clang-tidy-14 --quiet -p build/release --extra-arg=-isystem --extra-arg="$PWD/build/lint" \
  --extra-arg=-Wno-unknown-warning-option >build/lint/report 2>&1 || status=1
sed "s#$PWD/##g" build/lint/report | grep -vE 'warnings? (and [0-9]+ errors? )?generated' || true
echo "clang-tidy: ${#files[@]} files, $([[ $status -eq 0 ]] && echo ok || echo 'problems above')"
exit $status
