# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""python -m exports [NAME ...]: exports what is not in the store yet, compares, and prints a line for each; with no name, it writes the
page docs/models.md too. Outcomes are kept in the store: --page writes the page anew where only what is NAMEd has run again."""
import argparse
import importlib.metadata
import json
import multiprocessing
import pathlib
import re
import time
import traceback

from exports.case import EXPORTERS
from exports.page import page
from exports.table import CASES

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES = {"torch": "PyTorch", "torchvision": "torchvision", "timm": "timm", "transformers": "transformers",
             "onnxruntime": "ONNX Runtime"}
FAILURES = ("differs", "refused", "crashed")


def in_process(work, seconds):
    """What work() gives, from a process of its own: a crash or an endless loop ends that one alone."""
    forked = multiprocessing.get_context("fork")
    ours, theirs = forked.Pipe(duplex=False)

    def run():
        try:
            theirs.send((True, work()))
        except BaseException as failure:  # noqa: BLE001 - told to the parent
            traceback.print_exc(limit=-3)
            theirs.send((False, f"{type(failure).__name__}: {failure}"))
    process = forked.Process(target=run)
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            process.kill()
            return False, f"not done after {seconds} s"
        return ours.recv()
    except EOFError:
        process.join()
        return False, f"ended by signal {-process.exitcode}"
    finally:
        process.join()


def reason(text):
    """The line of an exporter's error that says what it is about."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if re.match(r"<class|[A-Za-z_.]*(Error|Exception|Guard\w*|Unsupported\w*)\b.*:", line)]
    picked = causes[-1] if causes else (lines or [""])[0]
    picked = re.sub(r"<class '([\w.]*?)'>|\. Please .*|\S*/(site|dist)-packages/", r"\1", picked)
    return re.sub(r"\s+", " ", picked)[:300]


def outcome_of(case, exporter, store, again, level, seconds):
    folder = store / f"{case.name}.{exporter}"
    failed = folder / "failed.txt"
    start = time.monotonic()
    if again or not (folder / "about.json").exists() and not failed.exists():
        def work():
            from exports.export import export
            export(case, exporter, folder)
        done, told = in_process(work, seconds)
        if not done:
            (folder / "about.json").unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            failed.write_text(told)
    if failed.exists():
        outcome = {"result": "exporter", "detail": reason(failed.read_text())}
    else:
        def check():
            from exports.compare import compare
            return compare(folder, level, store / "timing.cache")
        done, told = in_process(check, 2 * seconds)
        outcome = told if done else {"result": "crashed", "detail": told}
    outcome = {"name": case.name, "library": case.library, "kind": case.kind, "exporter": exporter,
               "seconds": round(time.monotonic() - start, 1), **outcome}
    (folder / "outcome.json").write_text(json.dumps(outcome))
    return outcome


def stored_outcomes(store):
    """{(name, exporter): outcome} of all that has run."""
    paths = {(name, exporter): store / f"{name}.{exporter}" / "outcome.json" for name in CASES for exporter in EXPORTERS}
    return {key: json.loads(path.read_text()) for key, path in paths.items() if path.exists()}


def versions():
    return ", ".join(f"{title} {importlib.metadata.version(name).split('+')[0]}" for name, title in LIBRARIES.items())


def arguments():
    parser = argparse.ArgumentParser(prog="./dev exports", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="regular expressions; all cases without one")
    parser.add_argument("--exporter", choices=EXPORTERS, action="append")
    parser.add_argument("--store", type=pathlib.Path, default=ROOT / "build" / "exports", help="where ONNX files are kept")
    parser.add_argument("--again", action="store_true", help="export even what is in the store")
    parser.add_argument("--page", action="store_true", help="run only what is NAMEd, and write the page from all outcomes in the store")
    parser.add_argument("--opt-level", type=int, default=1)
    parser.add_argument("--timeout", type=int, default=300, help="seconds for one export; a comparison has twice that")
    return parser.parse_args()


def main():
    chosen = arguments()
    import torch  # once, for all processes
    torch.set_num_threads(1)
    results = []
    for case in CASES.values():
        if (chosen.names or chosen.page) and not any(re.fullmatch(name, case.name) for name in chosen.names):
            continue
        for exporter in chosen.exporter or EXPORTERS:
            outcome = outcome_of(case, exporter, chosen.store, chosen.again, chosen.opt_level, chosen.timeout)
            results.append(outcome["result"])
            print(f"{outcome['result']:9} {case.name} {exporter} {outcome['seconds']} s, runs {outcome.get('runs', 0)}, "
                  f"error {outcome.get('error', 0):.1e} {outcome['detail']}", flush=True)
    if results:
        print(", ".join(f"{results.count(result)} {result}" for result in sorted(set(results))))
    if chosen.page or not chosen.names and not chosen.exporter:
        (ROOT / "docs" / "models.md").write_text(page(stored_outcomes(chosen.store), versions()))
    return any(result in FAILURES for result in results)


if __name__ == "__main__":
    raise SystemExit(main())
