# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""The models of gpu.py as plain PyTorch modules, their inputs, and PyTorch as it is fastest: CUDA graphs, and torch.compile."""
import dataclasses
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

WARM_UPS = 5


class Encoder(nn.Module):
    """A transformer's encoder in BERT's order, with a head for question answering. Attention without a mask: no padding."""

    class Layer(nn.Module):
        def __init__(self, width, heads, inner):
            super().__init__()
            self.heads = heads
            self.attend = nn.Linear(width, 3 * width)
            self.project = nn.Linear(width, width)
            self.norm = nn.LayerNorm(width, 1e-12)
            self.widen = nn.Linear(width, inner)
            self.narrow = nn.Linear(inner, width)
            self.last_norm = nn.LayerNorm(width, 1e-12)

        def forward(self, x):
            batch, length, width = x.shape
            parts = self.attend(x).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
            x = self.norm(x + self.project(mixed.transpose(1, 2).reshape(batch, length, width)))
            return self.last_norm(x + self.narrow(functional.gelu(self.widen(x))))

    def __init__(self, layers, width, heads, inner, vocabulary=30522, positions=512):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.kinds = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.ModuleList(self.Layer(width, heads, inner) for _ in range(layers))
        self.answer = nn.Linear(width, 2)

    def forward(self, words, kinds):
        places = torch.arange(words.shape[1], device=words.device)
        x = self.norm(self.words(words) + self.positions(places) + self.kinds(kinds))
        for layer in self.layers:
            x = layer(x)
        return self.answer(x)


class ClickRate(nn.Module):
    """Numbers and 26 categories, looked up in one fused table, through a small perceptron."""

    def __init__(self, tables=26, rows=100_000, width=16, numbers=13):
        super().__init__()
        self.table = nn.Embedding(tables * rows, width)
        self.register_buffer("starts", torch.arange(tables) * rows)
        layers, size = [], tables * width + numbers
        for inner in (512, 256, 128):
            layers += [nn.Linear(size, inner), nn.ReLU()]
            size = inner
        self.perceptron = nn.Sequential(*layers, nn.Linear(size, 1))

    def forward(self, numbers, categories):
        found = self.table(categories + self.starts).flatten(1)
        return torch.sigmoid(self.perceptron(torch.cat([found, numbers], 1)))


def resnet50():
    from torch.fx.experimental.optimization import fuse
    from torchvision.models import resnet50 as architecture
    model = architecture(weights=None).eval()
    with torch.no_grad():  # so that values neither vanish nor grow from block to block
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.fill_(2.0)
    return fuse(model)


def image_inputs(batch):
    return {"image": torch.randn(batch, 3, 224, 224)}


def text_inputs(length):
    def make(batch):
        return {"words": torch.randint(0, 30522, (batch, length)), "kinds": torch.zeros(batch, length, dtype=torch.int64)}
    return make


def click_inputs(batch):
    return {"numbers": torch.randn(batch, 13), "categories": torch.randint(0, 100_000, (batch, 26))}


@dataclasses.dataclass(frozen=True)
class Case:
    make: Callable
    inputs: Callable  # batch -> {name: tensor}
    batches: tuple


CASES = {
    "resnet50": Case(resnet50, image_inputs, (1, 8, 32, 128)),
    "bert_base_s128": Case(lambda: Encoder(12, 768, 12, 3072), text_inputs(128), (1, 8, 32, 128)),
    "bert_base_s384": Case(lambda: Encoder(12, 768, 12, 3072), text_inputs(384), (1, 8, 32)),
    "minilm_l6_s128": Case(lambda: Encoder(6, 384, 12, 1536), text_inputs(128), (1, 32)),
    "ctr": Case(ClickRate, click_inputs, (1, 32, 256, 2048)),
}


def make_model(name):
    torch.manual_seed(0)
    return CASES[name].make().eval()


def export(model, name, path):
    inputs = CASES[name].inputs(2)
    torch.onnx.export(model, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=["output"],
                      dynamic_axes={each: {0: "batch"} for each in [*inputs, "output"]}, opset_version=17, dynamo=False)


def to_device(model, inputs, dtype):
    """Copies of both on the GPU; images and convolutions channels-last."""
    import copy
    model = copy.deepcopy(model).to("cuda", dtype)
    moved = {name: tensor.to("cuda", dtype) if tensor.is_floating_point() else tensor.to("cuda")
             for name, tensor in inputs.items()}
    if any(tensor.dim() == 4 for tensor in moved.values()):
        model = model.to(memory_format=torch.channels_last)
        moved = {name: tensor.to(memory_format=torch.channels_last) for name, tensor in moved.items()}
    return model, list(moved.values())


class Graph:
    """Replays of the model's captured kernels."""

    def __init__(self, call, inputs):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream), torch.no_grad():
            for _ in range(WARM_UPS):
                call(*inputs)
            stream.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=stream):
                self.output = call(*inputs)
        torch.cuda.synchronize()

    def run(self):
        self.graph.replay()


class Compiled:
    def __init__(self, call, inputs):
        self.call, self.inputs = torch.compile(call, mode="max-autotune"), inputs
        for _ in range(WARM_UPS):
            self.run()
        torch.cuda.synchronize()

    def run(self):
        with torch.no_grad():
            self.output = self.call(*self.inputs)


def milliseconds(runner, seconds):
    """Of a run, back to back: the median of a few stretches."""
    runner.run()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    runner.run()
    torch.cuda.synchronize()
    stretch = max(2, int(seconds / 5 / (time.perf_counter() - begin)))
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(stretch):
            runner.run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) * 1000 / stretch)
    return statistics.median(times)
