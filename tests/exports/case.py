# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""What one row of the tables is: an architecture, its inputs, and what varies in them."""
import dataclasses
import importlib
import zlib
from collections.abc import Callable

EXPORTERS = ("torchscript", "dynamo")


class Library:
    """A package that is imported when first used, so that the tables can be read where it is absent."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self._name), attribute)


torch = Library("torch")


@dataclasses.dataclass(frozen=True)
class Size:
    """The extents that vary from run to run."""
    batch: int = 2
    length: int = 11  # of sequences
    past: int = 5  # tokens that a decoder has seen before


@dataclasses.dataclass
class Model:
    """A module ready to export: called with the inputs in order, it gives a tensor or a tuple of them."""
    module: object
    inputs: Callable  # Size -> {name: tensor}
    axes: dict = dataclasses.field(default_factory=dict)  # input -> {axis: what it is}
    call: Callable | None = None  # (module, *tensors) -> outputs, where the module takes them otherwise
    detections: bool = False  # boxes, scores and labels, compared as sets
    normalise: bool = True  # give BatchNormalization the statistics of the inputs


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    library: str
    kind: str
    make: Callable  # exporter -> Model
    sizes: tuple = (Size(batch=2), Size(batch=3, length=19, past=8))  # exported at the first
    opset: int = 17  # of the TorchScript exporter
    note: str = ""  # what is known of a difference, for the page

    @property
    def seed(self):
        return zlib.crc32(self.name.encode())


def images(channels, height, width=None):
    """Inputs of images alone, any number of them."""
    shape = (channels, height, width or height)
    return {"inputs": lambda size: {"image": torch.randn(size.batch, *shape)}, "axes": {"image": {0: "batch"}}}


def tokens(size, vocabulary=1000, length=None):
    return torch.randint(3, vocabulary, (size.batch, length or size.length))


def padding_mask(size, length=None):
    """Ones; each row after the first ends in one more zero."""
    length = length or size.length
    ends = length - torch.arange(size.batch).clamp(max=length // 2)
    return (torch.arange(length)[None, :] < ends[:, None]).to(torch.int64)
