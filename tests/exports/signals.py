# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Recurrent networks, audio, pairs of image and text, diffusion."""
from exports.case import Case, Library, Model, Size, padding_mask, tokens, torch
from exports.text import make_module

t = Library("transformers")


def recurrent(name, kind, packed=False, states=False, **options):
    """Embeddings, a recurrent network over them, and a class for each token."""
    def make(_):
        nn = torch.nn

        class Tagger(nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding = nn.Embedding(1000, 48)
                self.net = getattr(nn, kind)(48, 64, batch_first=True, **options)
                self.head = nn.Linear(64 * (2 if options.get("bidirectional") else 1), 9)

            def forward(self, ids, lengths=None):
                x = self.embedding(ids)
                if packed:
                    x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=True)
                y, last = self.net(x)
                if packed:
                    y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
                if not states:
                    return self.head(y)
                return (self.head(y), *(last if isinstance(last, tuple) else (last,)))

        def inputs(size):
            made = {"ids": tokens(size)}
            return made | ({"lengths": size.length - torch.arange(size.batch)} if packed else {})
        return Model(Tagger(), inputs, {"ids": {0: "batch", 1: "length"}} | ({"lengths": {0: "batch"}} if packed else {}))
    return Case(name, "torch", "recurrent", make)


def sound(size):
    return torch.randn(size.batch, 400 * size.length)


def speech(name, module, config, output="last_hidden_state", **values):
    def make(exporter):
        return Model(make_module(exporter, module, config, values), lambda size: {"waveform": sound(size)},
                     {"waveform": {0: "batch", 1: "samples"}}, lambda m, x: m(x)[output])
    return Case(name, "transformers", "audio", make)


SPEECH = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2, vocab_size=32,
              conv_dim=(32, 32, 32), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 3), num_conv_pos_embeddings=16,
              num_conv_pos_embedding_groups=4)
WHISPER = dict(d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
               encoder_ffn_dim=256, decoder_ffn_dim=256, vocab_size=1000, max_source_positions=50, pad_token_id=1,
               bos_token_id=1, eos_token_id=1, decoder_start_token_id=2)


def whisper_encoder(exporter):
    model = make_module(exporter, "WhisperModel", "WhisperConfig", WHISPER)
    return Model(model.get_encoder(), lambda size: {"features": torch.randn(size.batch, 80, 100)},
                 {"features": {0: "batch"}}, lambda m, x: m(x).last_hidden_state)


def whisper_decoder(exporter):
    model = make_module(exporter, "WhisperForConditionalGeneration", "WhisperConfig", WHISPER)
    return Model(model, lambda size: {"ids": tokens(size), "encoded": torch.randn(size.batch, 50, 128)},
                 {"ids": {0: "batch", 1: "length"}, "encoded": {0: "batch"}},
                 lambda m, ids, encoded: m.proj_out(m.model.decoder(
                     input_ids=ids, encoder_hidden_states=encoded, use_cache=False).last_hidden_state))


def keyword_spotter(_):
    """M5: one-dimensional convolutions over samples."""
    nn = torch.nn
    layers, inner = [], 1
    for outer, kernel, stride in ((32, 80, 16), (32, 3, 1), (64, 3, 1), (64, 3, 1)):
        layers += [nn.Conv1d(inner, outer, kernel, stride), nn.BatchNorm1d(outer), nn.ReLU(), nn.MaxPool1d(4)]
        inner = outer
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 35), nn.LogSoftmax(-1))
    return Model(module, lambda size: {"waveform": torch.randn(size.batch, 1, 8000)}, {"waveform": {0: "batch"}})


def separator(_):
    """As Conv-TasNet: learned filters, dilated depthwise blocks, masks, and the way back to samples."""
    nn = torch.nn

    class Separator(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = nn.Conv1d(1, 64, 16, 8, bias=False)
            self.norm = nn.GroupNorm(1, 64)
            self.blocks = nn.ModuleList([nn.Sequential(
                nn.Conv1d(64, 96, 1), nn.PReLU(), nn.GroupNorm(1, 96),
                nn.Conv1d(96, 96, 3, padding=2**i, dilation=2**i, groups=96), nn.PReLU(), nn.GroupNorm(1, 96),
                nn.Conv1d(96, 64, 1)) for i in range(3)])
            self.mask = nn.Conv1d(64, 128, 1)
            self.decode = nn.ConvTranspose1d(64, 1, 16, 8, bias=False)

        def forward(self, x):
            encoded = self.encode(x.unsqueeze(1))
            y = self.norm(encoded)
            for block in self.blocks:
                y = y + block(y)
            masks = torch.sigmoid(self.mask(y)).unflatten(1, (2, 64))
            sources = (masks * encoded.unsqueeze(1)).flatten(0, 1)
            return self.decode(sources).unflatten(0, (-1, 2)).squeeze(2)

    return Model(Separator(), lambda size: {"waveform": sound(size)}, {"waveform": {0: "batch", 1: "samples"}})


def pair(name, module, config, text, vision, **values):
    def make(exporter):
        made = make_module(exporter, module, config, {"text_config": text, "vision_config": vision, **values})
        def inputs(size):
            return {"input_ids": tokens(size), "image": torch.randn(size.batch, 3, 64, 64),
                    "attention_mask": padding_mask(size)}
        def call(m, ids, image, mask):
            result = m(input_ids=ids, pixel_values=image, attention_mask=mask)
            return result.logits_per_image, result.text_embeds, result.image_embeds
        axes = {"input_ids": {0: "batch", 1: "length"}, "image": {0: "images"}, "attention_mask": {0: "batch", 1: "length"}}
        return Model(made, inputs, axes, call)
    return Case(name, "transformers", "image and text", make)


TOWER = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2)
TEXT = TOWER | dict(vocab_size=1000, eos_token_id=999, bos_token_id=1, pad_token_id=0, max_position_embeddings=64)
VISION = TOWER | dict(image_size=64, patch_size=16)


def diffusion(_):
    """A step of a latent diffusion network: times as sines, residual blocks with GroupNormalization, attention to text."""
    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self, inner, outer):
            super().__init__()
            self.norm1, self.conv1 = nn.GroupNorm(8, inner), nn.Conv2d(inner, outer, 3, padding=1)
            self.time = nn.Linear(128, outer)
            self.norm2, self.conv2 = nn.GroupNorm(8, outer), nn.Conv2d(outer, outer, 3, padding=1)
            self.skip = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

        def forward(self, x, time):
            y = self.conv1(nn.functional.silu(self.norm1(x)))
            y = y + self.time(nn.functional.silu(time))[:, :, None, None]
            return self.skip(x) + self.conv2(nn.functional.silu(self.norm2(y)))

    class Attention(nn.Module):
        def __init__(self, width, context):
            super().__init__()
            self.norm = nn.LayerNorm(width)
            self.q, self.k, self.v = nn.Linear(width, width), nn.Linear(context, width), nn.Linear(context, width)
            self.out = nn.Linear(width, width)

        def heads(self, x):
            return x.unflatten(-1, (4, -1)).transpose(1, 2)

        def forward(self, x, context=None):
            y = self.norm(x)
            context = y if context is None else context
            y = nn.functional.scaled_dot_product_attention(
                self.heads(self.q(y)), self.heads(self.k(context)), self.heads(self.v(context)))
            return x + self.out(y.transpose(1, 2).flatten(2))

    class Spatial(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.norm, self.into = nn.GroupNorm(8, width), nn.Conv2d(width, width, 1)
            self.own, self.cross = Attention(width, width), Attention(width, 64)
            self.norm2, self.gate, self.out = nn.LayerNorm(width), nn.Linear(width, 8 * width), nn.Linear(4 * width, width)
            self.back = nn.Conv2d(width, width, 1)

        def forward(self, x, context):
            height = x.shape[2]
            y = self.into(self.norm(x)).flatten(2).transpose(1, 2)
            y = self.cross(self.own(y), context)
            value, gate = self.gate(self.norm2(y)).chunk(2, -1)
            y = y + self.out(value * nn.functional.gelu(gate))
            return x + self.back(y.transpose(1, 2).unflatten(2, (height, -1)))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.time = nn.Conv2d(4, 64, 3, padding=1), nn.Linear(64, 128)
            self.down = nn.ModuleList([Residual(64, 64), Residual(64, 128)])
            self.spatial = nn.ModuleList([Spatial(64), Spatial(128)])
            self.shrink = nn.Conv2d(64, 64, 3, 2, 1)
            self.middle = Residual(128, 128)
            self.up = Residual(128 + 64, 64)
            self.norm, self.out = nn.GroupNorm(8, 64), nn.Conv2d(64, 4, 3, padding=1)

        def forward(self, x, steps, context):
            waves = torch.exp(-9.2 * torch.arange(32) / 32)
            angles = steps[:, None].float() * waves[None]
            time = self.time(torch.cat([angles.sin(), angles.cos()], -1))
            first = self.spatial[0](self.down[0](self.into(x), time), context)
            y = self.spatial[1](self.down[1](self.shrink(first), time), context)
            y = nn.functional.interpolate(self.middle(y, time), scale_factor=2.0, mode="nearest")
            y = self.up(torch.cat([y, first], 1), time)
            return self.out(nn.functional.silu(self.norm(y)))

    def inputs(size):
        return {"latent": torch.randn(size.batch, 4, 16, 16), "steps": torch.randint(0, 1000, (size.batch,)),
                "context": torch.randn(size.batch, size.length, 64)}
    return Model(UNet(), inputs, {"latent": {0: "batch"}, "steps": {0: "batch"}, "context": {0: "batch", 1: "length"}})


def autoencoder(_):
    """An encoder and a decoder as those around latent diffusion."""
    nn = torch.nn
    module = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(8, 32), nn.SiLU(), nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(32, 64, 3, 2),
        nn.GroupNorm(8, 64), nn.SiLU(), nn.Conv2d(64, 8, 3, padding=1), nn.Conv2d(8, 64, 3, padding=1), nn.InstanceNorm2d(64),
        nn.Mish(), nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(64, 64, 3, padding=1), nn.Hardswish(), nn.PixelShuffle(2),
        nn.Conv2d(16, 3, 3, padding=1), nn.Tanh())
    return Model(module, lambda size: {"image": torch.randn(size.batch, 3, 4 * size.length, 32)},
                 {"image": {0: "batch", 2: "height"}})


def torch_transformer(_):
    """PyTorch's own layers, the decoder with a causal mask."""
    nn = torch.nn
    torch.backends.mha.set_fastpath_enabled(False)  # which no exporter knows

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Transformer(128, 2, 2, 2, 256, activation="gelu", batch_first=True)

        def forward(self, source, target):
            length = target.shape[1]
            mask = torch.full((length, length), float("-inf")).triu(1)
            return self.net(source, target, tgt_mask=mask, tgt_is_causal=False)

    def inputs(size):
        return {"source": torch.randn(size.batch, size.length, 128), "target": torch.randn(size.batch, size.past, 128)}
    return Model(Both(), inputs, {"source": {0: "batch", 1: "length"}, "target": {0: "batch", 1: "decoded"}})


CASES = [
    recurrent("lstm", "LSTM", num_layers=2, states=True),
    recurrent("lstm_bidirectional", "LSTM", num_layers=2, bidirectional=True),
    recurrent("lstm_packed", "LSTM", packed=True, bidirectional=True),
    recurrent("gru", "GRU", num_layers=2, states=True),
    recurrent("gru_bidirectional", "GRU", bidirectional=True),
    recurrent("gru_packed", "GRU", packed=True, bidirectional=True),
    recurrent("rnn_tanh", "RNN", bidirectional=True),
    speech("wav2vec2", "Wav2Vec2ForCTC", "Wav2Vec2Config", "logits", **SPEECH),
    speech("hubert", "HubertModel", "HubertConfig", **SPEECH),
    speech("wavlm", "WavLMModel", "WavLMConfig", **SPEECH),
    speech("data2vec_audio", "Data2VecAudioModel", "Data2VecAudioConfig",
           **{key: value for key, value in SPEECH.items() if not key.startswith("num_conv")}),
    Case("whisper_encoder", "transformers", "audio", whisper_encoder),
    Case("whisper_decoder", "transformers", "audio", whisper_decoder),
    Case("keyword_spotter", "torch", "audio", keyword_spotter),
    Case("separator", "torch", "audio", separator),
    pair("clip", "CLIPModel", "CLIPConfig", TEXT, VISION, projection_dim=64),
    pair("siglip", "SiglipModel", "SiglipConfig", TEXT | dict(max_position_embeddings=64), VISION),
    Case("diffusion_unet", "torch", "diffusion", diffusion),
    Case("autoencoder", "torch", "diffusion", autoencoder),
    Case("transformer", "torch", "encoder-decoder", torch_transformer),
]
