# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""From a case to an ONNX file and inputs of each size beside it."""
import json
import pathlib
import shutil
import warnings

import numpy as np

from exports.case import torch


def take_statistics(layer, inputs):
    """The mean and variance of what the layer is given. A channel that hardly varies is not blown up: what would differ then
    is how two engines round."""
    x = inputs[0].transpose(0, 1).flatten(1)
    mean_square = (x * x).mean(1)
    layer.running_mean.copy_(x.mean(1))
    layer.running_var.copy_(torch.maximum(x.var(1, unbiased=False), 0.25 * mean_square).clamp(min=1e-2))


def normalise(module, tensors, call):
    """Random scales and shifts, and the statistics that the inputs have: the activations keep a sensible size."""
    from torch.nn.modules.batchnorm import _BatchNorm
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    for layer in layers:
        if layer.affine:
            factors = torch.empty_like(layer.weight).uniform_(0.8, 1.2)
            layer.weight.data = layer.weight.data.abs().clamp(min=0.2) * factors  # 0 ends many residual branches
            torch.nn.init.normal_(layer.bias, std=0.1)
    hooks = [layer.register_forward_pre_hook(take_statistics) for layer in layers]
    if hooks:
        with torch.no_grad():
            call(module, *tensors)
    for hook in hooks:
        hook.remove()


def wrapped(model):
    """The module with a plain signature: tensors in, a tensor or a tuple of them out."""
    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = model.module

        def forward(self, *tensors):
            call = model.call or (lambda module, *inputs: module(*inputs))
            return call(self.module, *tensors)
    return Wrapped().eval()


def output_names(model, result):
    if not isinstance(result, tuple):
        return ["result"]
    names = ["boxes", "scores", "labels", "masks"] if model.detections else [f"result_{i}" for i in range(len(result))]
    return names[:len(result)]


def export_torchscript(case, module, tensors, path, inputs, outputs, axes):
    torch.onnx.export(module, tuple(tensors), str(path), dynamo=False, opset_version=case.opset,
                      input_names=inputs, output_names=outputs, dynamic_axes=axes)


def export_dynamo(_, module, tensors, path, inputs, outputs, axes):
    shapes = tuple({axis: torch.export.Dim.AUTO for axis in axes.get(name, {})} for name in inputs)
    torch.onnx.export(module, tuple(tensors), str(path), dynamo=True, opset_version=18, verbose=False,
                      input_names=inputs, output_names=outputs, dynamic_shapes=(shapes,), external_data=False)


def export(case, exporter, folder):
    """Writes model.onnx, inputs of each size and what they are about."""
    folder = pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    warnings.simplefilter("ignore")
    torch.manual_seed(case.seed)
    model = case.make(exporter)
    model.module.eval()
    samples = [model.inputs(size) for size in case.sizes]
    tensors = list(samples[0].values())
    if model.normalise:
        normalise(model.module, tensors, model.call or (lambda module, *inputs: module(*inputs)))
    module = wrapped(model)
    with torch.no_grad():
        names = output_names(model, module(*tensors))
        write = {"torchscript": export_torchscript, "dynamo": export_dynamo}[exporter]
        write(case, module, tensors, folder / "model.onnx", list(samples[0]), names, model.axes)
    for i, sample in enumerate(samples):
        np.savez(folder / f"inputs_{i}.npz", **{name: tensor.numpy() for name, tensor in sample.items()})
    (folder / "about.json").write_text(json.dumps({"detections": model.detections, "varies": bool(model.axes)}))
