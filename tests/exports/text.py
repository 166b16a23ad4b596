# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
"""Encoders, decoders, and both together."""
from exports.case import Case, Library, Model, Size, padding_mask, tokens, torch

t = Library("transformers")

TEXT_AXES = {0: "batch", 1: "length"}
WIDE = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, vocab_size=1000)


def attention_of(exporter):
    """The older exporter traces the plain formula, the newer one gets the fused operator."""
    return {"attn_implementation": "eager" if exporter == "torchscript" else "sdpa"}


def make_module(exporter, module, config, values):
    made = getattr(t, config)(**values)
    kind = getattr(t, module)
    try:
        return kind._from_config(made, **attention_of(exporter))
    except ValueError:  # it has the plain formula alone
        return kind._from_config(made, attn_implementation="eager")


def encoder(name, module, config, output="last_hidden_state", mask=True, **values):
    def make(exporter):
        def inputs(size):
            made = {"input_ids": tokens(size)}
            return made | ({"attention_mask": padding_mask(size)} if mask else {})
        def call(module, ids, *mask):
            return module(input_ids=ids, **({"attention_mask": mask[0]} if mask else {}))[output]
        axes = {key: TEXT_AXES for key in (["input_ids", "attention_mask"] if mask else ["input_ids"])}
        return Model(make_module(exporter, module, config, values), inputs, axes, call)
    return Case(name, "transformers", "encoder", make)


def decoder(name, module, config, **values):
    """Logits of all tokens, nothing seen before."""
    def make(exporter):
        made = make_module(exporter, module, config, values)
        return Model(made, lambda size: {"input_ids": tokens(size), "attention_mask": torch.ones_like(tokens(size))},
                     {"input_ids": TEXT_AXES, "attention_mask": TEXT_AXES},
                     lambda m, ids, mask: m(input_ids=ids, attention_mask=mask, use_cache=False).logits)
    return Case(name, "transformers", "decoder", make)


def with_past(name, module, config, heads, head_size, layers=2, **values):
    """The next tokens after those whose keys and values are inputs; the longer keys and values are outputs."""
    def inputs(size):
        made = {"input_ids": tokens(size, length=2),
                "attention_mask": torch.ones(size.batch, size.past + 2, dtype=torch.int64)}
        for layer in range(layers):
            for part in ("key", "value"):
                made[f"past_{part}_{layer}"] = torch.randn(size.batch, heads, size.past, head_size)
        return made

    def call(module, ids, mask, *past):
        cache = t.DynamicCache()
        for layer in range(layers):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        result = module(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        present = [part for layer in result.past_key_values.layers for part in (layer.keys, layer.values)]
        return (result.logits, *present)

    def make(exporter):
        axes = {"input_ids": {0: "batch"}, "attention_mask": {0: "batch", 1: "total"}}
        for layer in range(layers):
            for part in ("key", "value"):
                axes[f"past_{part}_{layer}"] = {0: "batch", 2: "past"}
        return Model(make_module(exporter, module, config, values), inputs, axes, call)
    return Case(f"{name}_with_past", "transformers", "decoder", make)


def encoder_decoder(name, module, config, **values):
    def make(exporter):
        def inputs(size):
            return {"input_ids": tokens(size), "attention_mask": padding_mask(size),
                    "decoder_input_ids": tokens(size, length=size.past)}
        def call(module, ids, mask, decoder_ids):
            result = module(input_ids=ids, attention_mask=mask, decoder_input_ids=decoder_ids, use_cache=False)
            return result.logits, result.encoder_last_hidden_state
        axes = {"input_ids": TEXT_AXES, "attention_mask": TEXT_AXES, "decoder_input_ids": {0: "batch", 1: "decoded"}}
        return Model(make_module(exporter, module, config, values), inputs, axes, call)
    return Case(name, "transformers", "encoder-decoder", make)


LLAMA = WIDE | dict(num_key_value_heads=2)
GPT2 = dict(n_embd=256, n_layer=2, n_head=4, vocab_size=1000)
OPT = dict(hidden_size=256, ffn_dim=512, num_hidden_layers=2, num_attention_heads=4, vocab_size=1000,
           word_embed_proj_dim=256)
T5 = dict(d_model=256, d_kv=64, d_ff=512, num_layers=2, num_heads=4, vocab_size=1000, decoder_start_token_id=0)
BART = dict(d_model=256, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
            encoder_ffn_dim=512, decoder_ffn_dim=512, vocab_size=1000, pad_token_id=1)

CASES = [
    encoder("bert", "BertModel", "BertConfig", **WIDE),
    encoder("distilbert", "DistilBertModel", "DistilBertConfig", dim=256, hidden_dim=512, n_layers=2, n_heads=4,
            vocab_size=1000),
    encoder("roberta", "RobertaModel", "RobertaConfig", **WIDE),
    encoder("xlm_roberta", "XLMRobertaModel", "XLMRobertaConfig", **WIDE),
    encoder("camembert", "CamembertForTokenClassification", "CamembertConfig", "logits", **WIDE),
    encoder("albert", "AlbertModel", "AlbertConfig", embedding_size=64, **WIDE),
    encoder("deberta", "DebertaModel", "DebertaConfig", **WIDE, relative_attention=True,
            pos_att_type=["c2p", "p2c"], max_relative_positions=64),
    encoder("deberta_v2", "DebertaV2Model", "DebertaV2Config", **WIDE, relative_attention=True,
            pos_att_type=["p2c", "c2p"], position_buckets=16, norm_rel_ebd="layer_norm", share_att_key=True),
    encoder("electra", "ElectraModel", "ElectraConfig", embedding_size=64, **WIDE),
    encoder("mpnet", "MPNetModel", "MPNetConfig", **WIDE),
    encoder("mobilebert", "MobileBertModel", "MobileBertConfig", vocab_size=1000, num_hidden_layers=2),
    encoder("squeezebert", "SqueezeBertModel", "SqueezeBertConfig", embedding_size=256, **WIDE),
    encoder("convbert", "ConvBertModel", "ConvBertConfig", embedding_size=256, **WIDE),
    encoder("fnet", "FNetModel", "FNetConfig", mask=False, hidden_size=256, intermediate_size=512, num_hidden_layers=2,
            vocab_size=1000),
    encoder("roformer", "RoFormerModel", "RoFormerConfig", embedding_size=256, **WIDE),
    encoder("funnel", "FunnelModel", "FunnelConfig", block_sizes=[1, 1], num_decoder_layers=1, d_model=256, n_head=4,
            d_inner=512, vocab_size=1000),
    encoder("modernbert", "ModernBertModel", "ModernBertConfig", **WIDE, pad_token_id=0),
    encoder("esm", "EsmModel", "EsmConfig", **WIDE, pad_token_id=1, position_embedding_type="rotary"),
    encoder("xlnet", "XLNetModel", "XLNetConfig", d_model=256, n_layer=2, n_head=4, d_inner=512, vocab_size=1000),
    encoder("layoutlm", "LayoutLMModel", "LayoutLMConfig", **WIDE),
    encoder("bigbird", "BigBirdModel", "BigBirdConfig", **WIDE, attention_type="original_full"),
    decoder("gpt2", "GPT2LMHeadModel", "GPT2Config", **GPT2),
    decoder("gpt_neo", "GPTNeoForCausalLM", "GPTNeoConfig", hidden_size=256, num_layers=2, num_heads=4, vocab_size=1000,
            attention_types=[[["global", "local"], 1]]),
    decoder("gpt_neox", "GPTNeoXForCausalLM", "GPTNeoXConfig", **WIDE),
    decoder("gptj", "GPTJForCausalLM", "GPTJConfig", n_embd=256, n_layer=2, n_head=4, rotary_dim=32, vocab_size=1000),
    decoder("bloom", "BloomForCausalLM", "BloomConfig", hidden_size=256, n_layer=2, n_head=4, vocab_size=1000),
    decoder("falcon", "FalconForCausalLM", "FalconConfig", hidden_size=256, num_hidden_layers=2, num_attention_heads=4,
            vocab_size=1000),
    decoder("opt", "OPTForCausalLM", "OPTConfig", **OPT),
    decoder("llama", "LlamaForCausalLM", "LlamaConfig", **LLAMA),
    decoder("mistral", "MistralForCausalLM", "MistralConfig", **LLAMA, sliding_window=8),
    decoder("qwen2", "Qwen2ForCausalLM", "Qwen2Config", **LLAMA),
    decoder("qwen3", "Qwen3ForCausalLM", "Qwen3Config", **LLAMA, head_dim=64),
    decoder("gemma", "GemmaForCausalLM", "GemmaConfig", **LLAMA, head_dim=64),
    decoder("gemma2", "Gemma2ForCausalLM", "Gemma2Config", **LLAMA, head_dim=64, sliding_window=8),
    decoder("phi", "PhiForCausalLM", "PhiConfig", **WIDE),
    decoder("phi3", "Phi3ForCausalLM", "Phi3Config", **LLAMA, pad_token_id=0),
    decoder("stablelm", "StableLmForCausalLM", "StableLmConfig", **LLAMA),
    decoder("mpt", "MptForCausalLM", "MptConfig", d_model=256, n_heads=4, n_layers=2, vocab_size=1000),
    decoder("mixtral", "MixtralForCausalLM", "MixtralConfig", **LLAMA, num_local_experts=4),
    decoder("olmo2", "Olmo2ForCausalLM", "Olmo2Config", **LLAMA, pad_token_id=0),
    decoder("granite", "GraniteForCausalLM", "GraniteConfig", **LLAMA),
    decoder("cohere", "CohereForCausalLM", "CohereConfig", **LLAMA, pad_token_id=0),
    decoder("mamba", "MambaForCausalLM", "MambaConfig", hidden_size=128, num_hidden_layers=2, vocab_size=1000),
    with_past("gpt2", "GPT2LMHeadModel", "GPT2Config", 4, 64, **GPT2),
    with_past("opt", "OPTForCausalLM", "OPTConfig", 4, 64, **OPT),
    with_past("llama", "LlamaForCausalLM", "LlamaConfig", 2, 64, **LLAMA),
    with_past("qwen2", "Qwen2ForCausalLM", "Qwen2Config", 2, 64, **LLAMA),
    with_past("phi", "PhiForCausalLM", "PhiConfig", 4, 64, **WIDE),
    with_past("gemma", "GemmaForCausalLM", "GemmaConfig", 2, 64, **LLAMA, head_dim=64),
    encoder_decoder("t5", "T5ForConditionalGeneration", "T5Config", **T5),
    encoder_decoder("flan_t5", "T5ForConditionalGeneration", "T5Config", **T5, feed_forward_proj="gated-gelu",
                    tie_word_embeddings=False),
    encoder_decoder("mt5", "MT5ForConditionalGeneration", "MT5Config", **T5),
    encoder_decoder("bart", "BartForConditionalGeneration", "BartConfig", **BART),
    encoder_decoder("mbart", "MBartForConditionalGeneration", "MBartConfig", **BART),
    encoder_decoder("marian", "MarianMTModel", "MarianConfig", **BART),
    encoder_decoder("pegasus", "PegasusForConditionalGeneration", "PegasusConfig", **BART),
    encoder_decoder("m2m100", "M2M100ForConditionalGeneration", "M2M100Config", **BART),
    encoder_decoder("blenderbot", "BlenderbotForConditionalGeneration", "BlenderbotConfig", **BART),
]
