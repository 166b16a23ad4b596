# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The project's own source files, tracked or new, for the checks beside this file."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED_FOLDERS = {".git", ".venv", "build", "__pycache__"}


def all_files():
    """Paths relative to ROOT, sorted; by git where it works, by walking otherwise."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        names = {name for name in listing.stdout.split("\0") if name}
        paths = [pathlib.Path(name) for name in names]
    else:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")
                 if not SKIPPED_FOLDERS & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in paths if (ROOT / path).is_file())


def sources(*suffixes):
    """Own files with one of the suffixes; shipped models keep their own rules."""
    return [path for path in all_files()
            if path.suffix in suffixes and path.parts[:2] != ("examples", "models")]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def report(check, problems, summary):
    """Prints the outcome and returns the exit status."""
    for problem in problems:
        print(problem)
    print(f"{check}: {len(problems)} problem(s)" if problems else f"{check}: ok, {summary}")
    return 1 if problems else 0
