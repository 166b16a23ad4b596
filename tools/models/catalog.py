# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Where tests and benchmarks find their models, and realistic inputs for each.

Shipped models come from examples/models. Further trained models (`models`) and full-size architectures with
random weights (`zoo`) come from the folder that PENSTOCK_SHARED names, by default `shared` beside this
repository; without that folder they are missing, which path_of() says.
"""
import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("PENSTOCK_SHARED", ROOT.parent / "shared"))


class Missing(Exception):
    """The model's source is not on this machine; the text says what is missing."""


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    origin: str  # "examples", "models" or "zoo"
    inputs: dict[str, Callable]  # name -> (generator, batch, sequence) -> array
    varies: str = "batch"  # "batch", "sequence" (batch too), or "nothing"


def image(channels, height, width):
    return lambda rng, batch, _: rng.standard_normal((batch, channels, height, width), np.float32)


def tokens(vocabulary):
    return lambda rng, batch, sequence: rng.integers(0, vocabulary, (batch, sequence))


def mask(rng, batch, sequence):
    """Ones; rows after the first end in more and more padding, at most half."""
    lengths = [sequence - min(row * sequence // 8, sequence // 2) for row in range(batch)]
    return (np.arange(sequence)[None, :] < np.array(lengths)[:, None]).astype(np.int64)


def zeros(rng, batch, sequence):
    return np.zeros((batch, sequence), np.int64)


def numbers(width):
    return lambda rng, batch, _: rng.standard_normal((batch, width), np.float32)


def categories(vocabularies):
    return lambda rng, batch, _: np.stack([rng.integers(0, size, batch) for size in vocabularies], axis=1)


def recent_items(vocabulary, length):
    """Rows of item numbers that end in zeros, the padding."""
    def make(rng, batch, _):
        items = rng.integers(1, vocabulary + 1, (batch, length))
        return np.where(np.arange(length) < rng.integers(1, length + 1, (batch, 1)), items, 0)
    return make


CIFAR = {"images": image(3, 32, 32)}
PHOTO = {"input": image(3, 224, 224)}
BERT = {"input_ids": tokens(30522), "attention_mask": mask, "token_type_ids": zeros}
CTR_FIELDS = [200000, 50000, 1000, 60, 24, 500, 10, 2000, 100, 60, 20, 10000]

MODELS = {model.name: model for model in [
    Model("cifar_resnet20", "examples", CIFAR),
    Model("ctr_donation", "examples", {
        "categorical": categories(CTR_FIELDS), "recent_gifts": recent_items(50000, 20), "dense": numbers(16)}),
    Model("minilm_sentiment", "examples", BERT, "sequence"),
    Model("cifar_resnet18", "models", CIFAR),
    Model("cifar_resnet50", "models", CIFAR),
    Model("minilm_qa", "models", BERT, "sequence"),
    Model("resnet50", "zoo", PHOTO),
    Model("mobilenet_v2", "zoo", PHOTO),
    Model("efficientnet_b0", "zoo", PHOTO),
    Model("convnext_tiny", "zoo", PHOTO),
    Model("swin_t", "zoo", PHOTO),
    Model("bert_base_qa", "zoo", BERT, "sequence"),
    Model("gpt2", "zoo", {"input_ids": tokens(50257), "attention_mask": mask}, "sequence"),
    Model("dlrm", "zoo", {"dense": numbers(13), "cat": categories([20000] * 26)}),
    Model("ssdlite320", "zoo", {
        "image": lambda rng, batch, _: rng.random((3, 320, 320), np.float32)}, "nothing"),
    Model("bilstm_tagger", "zoo", {"input": tokens(5000)}, "sequence"),
]}


def names(*origins):
    return [model.name for model in MODELS.values() if not origins or model.origin in origins]


def make_inputs(name, batch=1, sequence=128, seed=0):
    """{input: array}, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    return {key: np.ascontiguousarray(make(rng, batch, sequence)) for key, make in MODELS[name].inputs.items()}


def path_of(name):
    """The model's ONNX file in build/models or build/zoo, written where it is not there yet."""
    origin = MODELS[name].origin
    folder = ROOT / "build" / ("zoo" if origin == "zoo" else "models")
    script = {"examples": ROOT / "examples" / "unpack.py",
              "models": SHARED / "models" / "unpack.py",
              "zoo": SHARED / "zoo" / "materialize.py"}[origin]
    target = folder / f"{name}.onnx"
    if not script.exists():
        raise Missing(f"'{name}' needs {script.parent.relative_to(SHARED.parent)}, which is not beside this repository")
    if not target.exists():
        subprocess.run([sys.executable, "-B", script, folder, name], check=True, stdout=subprocess.DEVNULL)
    return target
