# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""TimingCache: the measured times that builds share."""
from __future__ import annotations

import json
import os
import pathlib

from penstock.errors import InvalidArgumentError


class TimingCache:
    """A file of measured times. A build reads and extends it; one that finds all it needs there measures nothing.

    Give it to build(timing_cache=...). Its keys name the machine: a file can serve several.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __len__(self) -> int:
        """How many times it holds; 0 while there is no file."""
        try:
            return len(json.loads(self.path.read_text(encoding="utf-8"))["microseconds"])
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidArgumentError(f"timing cache '{self.path}' is broken: {error}") from None

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<penstock.TimingCache '{self.path}'>"
