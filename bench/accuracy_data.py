# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The trained models of accuracy.py: their test sets and calibration data as the .npz files that `penstock accuracy`
and `penstock build --calib` take."""
import dataclasses
import json
import tarfile
from collections.abc import Callable

import catalog
import datasets
import numpy as np

MODELS = catalog.SHARED / "models"


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with its data. `budget` is what INT8 may lose, in the metric's unit; `reference` what ONNX Runtime's FP32 gives."""
    name: str
    title: str
    metric: str
    budget: float
    half_budget: float  # what 16-bit floats may lose
    reference: float
    shapes: str  # that speed is measured at
    test: Callable  # () -> {array name: array}
    calibration: Callable
    method: str = "entropy"  # of calibration: activations of encoders have outliers that matter, and are not clipped
    calibration_batch: int = 32
    batch: int = 16  # samples that run at once in evaluations


def jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def images_of(archive, names=None):
    """Decoded images by their file name, those of `names` in that order."""
    found = {}
    with tarfile.open(MODELS / "cifar10_data" / archive) as file:
        for member in file:
            if member.name.endswith(".jpg"):
                found[member.name.lstrip("./")] = datasets.decode_image(file.extractfile(member).read())
    return {name: found[name] for name in names or found}


def cifar_test():
    classes = json.loads((MODELS / "cifar10_data" / "labels_test.json").read_text())["classes"]
    images = images_of("test1000_jpg.tar")
    return {"images": np.stack(list(images.values())),
            "labels": np.array([classes.index(name.split("/")[-2]) for name in images])}


def cifar_calibration():
    return {"images": np.stack(list(images_of("calib512_jpg.tar").values()))}


def padded(rows, width):
    """Token ids, mask and types of rows with `input_ids` and, for pairs, `token_type_ids`."""
    arrays = {name: np.zeros((len(rows), width), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    for i, row in enumerate(rows):
        length = len(row["input_ids"])
        arrays["input_ids"][i, :length] = row["input_ids"]
        arrays["attention_mask"][i, :length] = 1
        arrays["token_type_ids"][i, :length] = row.get("token_type_ids", np.zeros(length))
    return arrays


def sentiment_test():
    rows = jsonl(MODELS / "minilm_sentiment" / "test.jsonl")
    return padded(rows, 64) | {"labels": np.array([row["label"] for row in rows])}


def sentiment_calibration():
    return padded(jsonl(MODELS / "minilm_sentiment" / "calib256.jsonl"), 64)


def qa_test(width=384):
    rows = jsonl(MODELS / "minilm_qa" / "test.jsonl")
    most = max(len(row["answers"]) for row in rows)
    offsets = np.full((len(rows), width, 2), -1, np.int64)
    for i, row in enumerate(rows):
        offsets[i, :len(row["offsets"])] = row["offsets"]
    return padded(rows, width) | {
        "contexts": np.array([row["context"] for row in rows]),
        "answers": np.array([row["answers"] + [""] * (most - len(row["answers"])) for row in rows]),
        "offsets": offsets}


def qa_calibration():
    return padded(jsonl(MODELS / "minilm_qa" / "calib128.jsonl"), 384)


def donation_rows(file):
    data = np.load(MODELS / "ctr_donation" / file)
    return {"categorical": data["categorical"].astype(np.int64), "recent_gifts": data["recent_gifts"].astype(np.int64),
            "dense": data["dense"], "labels": data["label"].astype(np.int64)}


def text_shapes(batch, width):
    return ",".join(f"{name}:{batch}x{width}" for name in ("input_ids", "attention_mask", "token_type_ids"))


CASES = [
    *(Case(f"cifar_resnet{depth}", f"ResNet-{depth}, CIFAR-10", "top1", 0.3, 0.1, reference, "images:1x3x32x32",
           cifar_test, cifar_calibration) for depth, reference in ((20, 89.4), (18, 91.4), (50, 89.8))),
    Case("minilm_sentiment", "MiniLM-L6, sentiment", "top1", 1.0, 0.2, 85.43, text_shapes(1, 64), sentiment_test,
         sentiment_calibration, "minmax"),
    Case("minilm_qa", "MiniLM-L6, questions", "f1", 1.5, 0.3, 55.9, text_shapes(1, 384), qa_test, qa_calibration, "minmax", 8, 4),
    Case("ctr_donation", "DeepFM + DIN, gift prediction", "auc", 0.002, 0.0005, 0.8030,
         "categorical:256x12,recent_gifts:256x20,dense:256x16", lambda: donation_rows("test50k.npz"),
         lambda: donation_rows("calib2k.npz"), "minmax", 256, 1000),
]


def write(case, folder):
    """(test, calibration): the case's two .npz files in this folder, made where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind, make in (("test", case.test), ("calib", case.calibration)):
        path = folder / f"{'cifar' if case.name.startswith('cifar') else case.name}_{kind}.npz"
        if not path.exists():
            temporary = path.with_suffix(".tmp.npz")
            np.savez(temporary, **make())
            temporary.replace(path)
        paths.append(path)
    return paths
