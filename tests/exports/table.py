# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""All cases."""
from exports import detection, signals, text, vision

CASES = {case.name: case for case in [*vision.CASES, *detection.CASES, *text.CASES, *signals.CASES]}
