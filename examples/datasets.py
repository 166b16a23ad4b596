# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The test data of examples/models: what goes into each model, what should come out, how it is judged."""
import dataclasses
import io
import json
import pathlib
import tarfile
from collections.abc import Callable

import numpy as np

MODELS = pathlib.Path(__file__).resolve().parent / "models"


@dataclasses.dataclass(frozen=True)
class Task:
    """A model with its test data. `reference` is the figure of its README, measured with ONNX Runtime in FP32."""
    name: str
    title: str
    metric: str
    reference: float
    load: Callable  # () -> (list of {input: array}, labels)
    judge: Callable  # (outputs {name: array}, labels) -> figure

    def show(self, figure):
        return f"{figure:.4f}" if self.metric == "AUC" else f"{figure * 100:.2f} %"


def batches(inputs, size):
    """Splits {input: array} along the first axis."""
    rows = len(next(iter(inputs.values())))
    return [{name: array[i:i + size] for name, array in inputs.items()} for i in range(0, rows, size)]


def share_right(logits, labels):
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def area_under_curve(scores, labels):
    """The chance that a positive row scores above a negative one; ties count half."""
    order = np.argsort(scores, kind="stable")
    _, first, counts = np.unique(scores[order], return_index=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = np.repeat(first + (counts + 1) / 2, counts)
    positives = labels == 1
    wins = ranks[positives].sum() - positives.sum() * (positives.sum() + 1) / 2
    return float(wins / (positives.sum() * (~positives).sum()))


MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32)
DEVIATION = np.array([0.2470, 0.2435, 0.2616], np.float32)


def decode_image(data):
    """JPEG bytes to normalised float32 [3, height, width]."""
    from PIL import Image  # here, so that the other models need no Pillow
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32)
    return ((pixels / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)


def cifar_images(size=100):
    folder = MODELS / "cifar_resnet20"
    classes = (folder / "classes.txt").read_text().split()
    images, labels = [], []
    with tarfile.open(folder / "test1000_jpg.tar") as archive:
        for member in archive:
            if member.name.endswith(".jpg"):
                images.append(decode_image(archive.extractfile(member).read()))
                labels.append(classes.index(member.name.split("/")[-2]))
    return batches({"images": np.stack(images)}, size), np.array(labels)


def donation_rows(size=5000):
    data = np.load(MODELS / "ctr_donation" / "test50k.npz")
    inputs = {
        "categorical": data["categorical"].astype(np.int64),
        "recent_gifts": data["recent_gifts"].astype(np.int64),
        "dense": data["dense"],
    }
    return batches(inputs, size), data["label"]


def pad_sentences(sentences):
    """Lists of token ids to the three inputs of a BERT encoder, padded to the longest."""
    ids = np.zeros((len(sentences), max(map(len, sentences))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(sentences):
        ids[row, :len(tokens)] = tokens
        mask[row, :len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def sentiment_sentences(size=64):
    """Batches of sentences of similar length, so that little is spent on padding."""
    lines = (MODELS / "minilm_sentiment" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = sorted(map(json.loads, lines), key=lambda row: len(row["input_ids"]))
    groups = [rows[i:i + size] for i in range(0, len(rows), size)]
    inputs = [pad_sentences([row["input_ids"] for row in group]) for group in groups]
    return inputs, np.array([row["label"] for row in rows])


TASKS = [
    Task("cifar_resnet20", "ResNet-20, CIFAR-10 images", "top-1", 0.8940, cifar_images,
         lambda outputs, labels: share_right(outputs["logits"], labels)),
    Task("ctr_donation", "DeepFM + DIN, gift prediction", "AUC", 0.8030, donation_rows,
         lambda outputs, labels: area_under_curve(outputs["probability"][:, 0], labels)),
    Task("minilm_sentiment", "MiniLM-L6, sentiment", "accuracy", 0.8543, sentiment_sentences,
         lambda outputs, labels: share_right(outputs["logits"], labels)),
]
