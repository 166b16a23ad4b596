# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Makes the helpers of tests/, tools/models and examples importable."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "tools/models", "examples")]
