# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Detection, from the image to boxes after suppression."""
from exports.case import Case, Library, Model, Size, images, torch

tv = Library("torchvision.models.detection")
transformers = Library("transformers")

ONE = (Size(batch=1, length=20), Size(batch=1, length=24))


def spread_scores(module):
    """Logits of unit deviation from the first run on: with their first weights all scores are nearly equal."""
    def scale(layer, _, output):
        handles.pop(layer).remove()
        deviation = output.std()
        layer.weight.data /= deviation
        layer.bias.data /= deviation
        return output / deviation

    handles = {}
    for name, layer in module.named_modules():
        bias = getattr(layer, "bias", None)
        if any(part in name for part in ("cls_logits", "cls_score", "classification_head")) and bias is not None:
            torch.nn.init.normal_(layer.weight, std=0.05)
            torch.nn.init.normal_(bias, std=0.5)
            handles[layer] = layer.register_forward_hook(scale)


def smooth_image(height, width):
    """Not noise: what two implementations of resizing make of that differs with the rounding of coordinates."""
    coarse = torch.rand(1, 3, height // 16, width // 16)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]


def of_torchvision(name, outputs=("boxes", "scores", "labels"), fixed=0, note="", **options):
    def make(_):
        module = getattr(tv, name)(weights=None, weights_backbone=None, num_classes=10, **options)
        spread_scores(module)
        def inputs(size):
            extent = fixed or 8 * size.length
            return {"image": smooth_image(extent, extent + (0 if fixed else 32))}
        def call(module, image):
            found = module([image])[0]
            return tuple(found[key] for key in outputs)
        return Model(module, inputs, {} if fixed else {"image": {1: "height", 2: "width"}}, call, detections=True)
    return Case(name, "torchvision", "detection", make, ONE, note=note)


def detr_like(name, module, config, size=128):
    def make(exporter):
        t = transformers
        made = getattr(t, module)(getattr(t, config[0])(**config[1]))
        return Model(made, **images(3, size), call=lambda m, image: (lambda y: (y.logits, y.pred_boxes))(m(pixel_values=image)))
    return Case(name, "transformers", "detection", make, (Size(batch=2), Size(batch=1)))


SMALL = {"min_size": 160, "max_size": 256}

CASES = [
    of_torchvision("ssdlite320_mobilenet_v3_large", fixed=320, score_thresh=0.1),
    of_torchvision("ssd300_vgg16", fixed=300, score_thresh=0.1),
    of_torchvision("retinanet_resnet50_fpn", score_thresh=0.4, **SMALL),
    of_torchvision("fcos_resnet50_fpn", score_thresh=0.3, **SMALL),
    of_torchvision("fasterrcnn_mobilenet_v3_large_320_fpn", box_score_thresh=0.1, **SMALL),
    of_torchvision("maskrcnn_resnet50_fpn", ("boxes", "scores", "labels", "masks"), box_score_thresh=0.1, **SMALL,
                   note="rounding, grown on the way: of the 100 boxes that PyTorch finds there in float64, Penstock finds 99 within "
                        "1e-4, ONNX Runtime 98, PyTorch in float32 97"),
    detr_like("yolos", "YolosForObjectDetection", ("YolosConfig", dict(
        hidden_size=192, num_hidden_layers=2, num_attention_heads=3, intermediate_size=512, image_size=[128, 128],
        num_detection_tokens=20))),
    detr_like("rt_detr", "RTDetrForObjectDetection", ("RTDetrConfig", dict(
        backbone_config=None, num_queries=30, decoder_layers=2, num_labels=8)), 256),
]
