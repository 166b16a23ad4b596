# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Image classification, segmentation and video."""
from exports.case import Case, Library, Model, Size, images, torch

tv = Library("torchvision.models")
segmentation = Library("torchvision.models.segmentation")
videos = Library("torchvision.models.video")
timm = Library("timm")
transformers = Library("transformers")

FEW = (Size(batch=2), Size(batch=1))


def of_torchvision(name, size=224, **options):
    return Case(name, "torchvision", "classification",
                lambda _: Model(getattr(tv, name)(weights=None, **options), **images(3, size)), FEW)


def of_timm(name, size=224, opset=17, **options):
    return Case(f"timm_{name}", "timm", "classification",
                lambda _: Model(timm.create_model(name, pretrained=False, **options), **images(3, size)), FEW, opset)


def segmenting(name, size=128, **options):
    def make(_):
        module = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=21, **options)
        return Model(module, **images(3, size), call=lambda module, image: module(image)["out"])
    return Case(name, "torchvision", "segmentation", make, FEW)


def video(name, frames=8, size=112):
    def make(_):
        return Model(getattr(videos, name)(weights=None),
                     lambda s: {"clip": torch.randn(s.batch, 3, frames, size, size)}, {"clip": {0: "batch"}})
    return Case(name, "torchvision", "video", make, FEW)


def segformer(_):
    t = transformers
    config = t.SegformerConfig(depths=[1, 1, 1, 1], hidden_sizes=[32, 64, 160, 256], num_labels=21)
    return Model(t.SegformerForSemanticSegmentation(config), **images(3, 128), call=lambda m, image: m(image).logits)


def image_transformer(name, config, module, size=224, output="last_hidden_state"):
    def make(exporter):
        t = transformers
        made = getattr(t, module)(getattr(t, config[0])(**config[1]))
        return Model(made, **images(3, size), call=lambda m, image: m(pixel_values=image)[output])
    return Case(name, "transformers", "classification", make, FEW)


def small_unet(_):
    """An encoder and decoder with skips: transposed convolutions on the way up, bilinear resizing at the end."""
    nn = torch.nn

    class Block(nn.Sequential):
        def __init__(self, inner, outer):
            super().__init__(nn.Conv2d(inner, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(),
                             nn.Conv2d(outer, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU())

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([Block(3, 16), Block(16, 32), Block(32, 64)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)])
            self.join = nn.ModuleList([Block(64, 32), Block(32, 16)])
            self.head = nn.Conv2d(16, 5, 1)

        def forward(self, x):
            height, width = x.shape[-2:]
            skips = []
            for block in self.down[:-1]:
                skips.append(block(x))
                x = nn.functional.max_pool2d(skips[-1], 2)
            x = self.down[-1](x)
            for up, join, skip in zip(self.up, self.join, reversed(skips)):
                x = join(torch.cat([up(x), skip], 1))
            return nn.functional.interpolate(self.head(x), (height * 2, width * 2), mode="bilinear")

    return Model(UNet(), lambda s: {"image": torch.randn(s.batch, 3, 16 * s.length, 8 * s.length)},
                 {"image": {0: "batch", 2: "height", 3: "width"}})


CASES = [
    of_torchvision("alexnet"), of_torchvision("squeezenet1_1"),
    of_torchvision("resnet18"), of_torchvision("resnet50"), of_torchvision("resnext50_32x4d"),
    of_torchvision("mobilenet_v2"), of_torchvision("mobilenet_v3_small"),
    of_torchvision("mobilenet_v3_large"), of_torchvision("mnasnet0_5"), of_torchvision("efficientnet_b0"),
    of_torchvision("efficientnet_v2_s"), of_torchvision("regnet_y_400mf"), of_torchvision("regnet_x_400mf"),
    of_torchvision("densenet121"), of_torchvision("inception_v3", 299, init_weights=True),
    of_torchvision("googlenet", init_weights=True), of_torchvision("shufflenet_v2_x1_0"),
    of_torchvision("convnext_tiny"), of_torchvision("vit_b_32"), of_torchvision("swin_t"),
    of_torchvision("swin_v2_t", 256), of_torchvision("maxvit_t"),
    of_timm("mixer_s32_224"), of_timm("deit_tiny_patch16_224"), of_timm("efficientvit_b0"),
    of_timm("efficientvit_m0"), of_timm("repvgg_a0"), of_timm("ghostnet_100"), of_timm("nfnet_l0"),
    of_timm("coatnet_nano_rw_224"), of_timm("convnextv2_atto"), of_timm("convmixer_768_32", 112),
    of_timm("edgenext_xx_small", 256), of_timm("mobilevit_xxs", 256), of_timm("mobilevitv2_050", 256),
    of_timm("poolformer_s12"), of_timm("resnest14d"), of_timm("res2net50d"), of_timm("levit_128s"),
    of_timm("beit_base_patch16_224", depth=2), of_timm("cait_xxs24_224", depth=2), of_timm("xcit_nano_12_p16_224", depth=2),
    of_timm("twins_svt_small"), of_timm("pvt_v2_b0"), of_timm("tinynet_e", 106), of_timm("dla34"), of_timm("hrnet_w18_small"),
    of_timm("fastvit_t8", 256), of_timm("mobileone_s0"), of_timm("hardcorenas_a"), of_timm("rexnet_100"),
    of_timm("volo_d1_224", opset=18), of_timm("crossvit_9_240", 240), of_timm("gmlp_s16_224"), of_timm("resmlp_12_224"),
    of_timm("botnet26t_256", 256), of_timm("halonet26t", 256), of_timm("lambda_resnet26t", 256),
    of_timm("vit_small_patch14_reg4_dinov2", 224, img_size=224, depth=3), of_timm("eva02_tiny_patch14_224", depth=3),
    of_timm("hiera_tiny_224"), of_timm("mobilenetv4_conv_small"), of_timm("seresnet50"), of_timm("tf_efficientnet_lite0"),
    image_transformer("dinov2", ("Dinov2Config", dict(hidden_size=192, num_hidden_layers=2, num_attention_heads=3,
                                                      image_size=112, patch_size=14)), "Dinov2Model", 112),
    image_transformer("beit", ("BeitConfig", dict(hidden_size=192, num_hidden_layers=2, num_attention_heads=3,
                                                  intermediate_size=512)), "BeitModel"),
    image_transformer("mobilevit", ("MobileViTConfig", dict(image_size=256)), "MobileViTModel", 256),
    image_transformer("siglip_vision", ("SiglipVisionConfig", dict(
        hidden_size=192, intermediate_size=512, num_hidden_layers=2, num_attention_heads=3, image_size=112)),
        "SiglipVisionModel", 112),
    segmenting("deeplabv3_mobilenet_v3_large"), segmenting("lraspp_mobilenet_v3_large"), segmenting("fcn_resnet50"),
    Case("segformer", "transformers", "segmentation", segformer, FEW),
    Case("unet", "torch", "segmentation", small_unet, (Size(batch=2, length=4), Size(batch=1, length=6))),
    video("r3d_18"), video("r2plus1d_18"), video("mc3_18"), video("s3d", 16, 224), video("mvit_v2_s", 16, 224),
]
