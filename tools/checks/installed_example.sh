#!/usr/bin/env bash
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# Does an application outside this tree find the installed package? Installs it, then builds examples/cpp against it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
prefix=$PWD/build/installed

rm -rf "$prefix" build/installed-example
cmake --install build/release --prefix "$prefix" >/dev/null
cmake -S examples/cpp -B build/installed-example -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/installed-example
