"""Writes tiny random checkpoints of architectures that are nearly Llama, and what
transformers makes of them: greedy tokens, and logits after some of all tokens, in
float64.

usage: make.py FOLDER [NAME ...]    (needs torch, transformers, safetensors)
"""

import copy
import json
import pathlib
import sys

import safetensors.torch
import torch
import transformers

SHAPE = dict(
    vocab_size=48, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-3, rope_theta=10000.0, bos_token_id=1, eos_token_id=2, pad_token_id=None,
)
LONGROPE = dict(
    rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.25, 1.5], long_factor=[1.5, 4.0, 12.5],
)
LLAMA3 = dict(
    rope_type="llama3", rope_theta=10000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64
)
OLMO3 = dict(
    full_attention=dict(rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=64, attention_factor=1.2),
    sliding_attention=dict(rope_type="default", rope_theta=10000.0),
)
FACTORS = dict(embedding_multiplier=12.0, residual_multiplier=0.22, logits_scaling=2.0, attention_multiplier=0.125)
PROMPT, GREEDY, STORED = 24, 16, (0, 1, 17, 23, 24, 38)
# By which prompts are longer, and what is stored is later. Weights are half as large there: among so
# many positions with large ones some move by more than tests allow when inputs are rounded to 16 bits.
LONGER = {"mistral": 126}


def plain(name, **changes):
    config = getattr(transformers, name + "Config")(**SHAPE | changes)
    return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def granite(**changes):
    return plain("Granite", **FACTORS | changes)


def minicpm(config):
    """MiniCPM, whose code is not in transformers, is Granite with other names."""
    for name in ("embedding_multiplier", "residual_multiplier", "logits_scaling", "attention_multiplier"):
        del config[name]
    config |= dict(architectures=["MiniCPMForCausalLM"], model_type="minicpm", scale_emb=12, scale_depth=1.4, dim_model_base=16)


def internlm3(config):
    """InternLM3 is Llama in transformers."""
    config["architectures"] = ["InternLM3ForCausalLM"]


def exaone(config):
    """EXAONE is Llama in transformers, too; its checkpoints have other keys."""
    config["architectures"] = ["ExaoneForCausalLM"]
    for name, own in (("num_hidden_layers", "num_layers"), ("rms_norm_eps", "layer_norm_epsilon"), ("hidden_act", "activation_function")):
        config[own] = config.pop(name)


def internlm2(config):
    """InternLM2 is Llama in transformers, with other names."""
    config |= dict(architectures=["InternLM2ForCausalLM"], model_type="internlm2", bias=config.pop("attention_bias"))


def internlm2_tensors(tensors):
    """Of queries, keys and values each KV head's are together."""
    renamed = {
        "self_attn.o_proj": "attention.wo", "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm", "lm_head": "output",
        "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2", "embed_tokens": "tok_embeddings",
    }
    out = {}
    for name, t in tensors.items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        out[name] = t
    for q in [name for name in out if "q_proj" in name]:
        each = [out.pop(q.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        kv = SHAPE["num_key_value_heads"]
        joint = torch.cat([t.reshape(kv, -1, *t.shape[1:]) for t in each], 1)
        out[q.replace("self_attn.q_proj", "attention.wqkv")] = joint.reshape(-1, *joint.shape[2:]).contiguous()
    return out


def mimo(config):
    """MiMo is Qwen2 in transformers."""
    config |= dict(architectures=["MiMoForCausalLM"], model_type="mimo", attention_bias=True, num_nextn_predict_layers=1)


def mimo_tensors(tensors):
    """A layer that guesses further tokens is not read here."""
    return tensors | {"model.mtp_layers.0.input_proj.weight": torch.ones(32, 64, dtype=torch.bfloat16)}


def pangu(config):
    """openPangu Embedded is Llama in transformers."""
    config |= dict(architectures=["PanguEmbeddedForCausalLM"], model_type="PanguEmbedded", bias=config.pop("attention_bias"))


def mistral3():
    """A model that sees images, and reads text here."""
    yarn = dict(
        rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64, mscale=1.0, mscale_all_dim=1.0,
        llama_4_scaling_beta=0.1,
    )
    text = transformers.Ministral3Config(**SHAPE | dict(head_dim=8, rope_parameters=yarn))
    sight = transformers.PixtralVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, head_dim=8, patch_size=2, image_size=4
    )
    config = transformers.Mistral3Config(text_config=text, vision_config=sight, tie_word_embeddings=False)
    return transformers.Mistral3ForConditionalGeneration(config)


def qwen_vl(name, **text):
    rotary = dict(rope_type="default", rope_theta=10000.0, mrope_section=[2, 1, 1])
    sight = dict(depth=1, hidden_size=8, intermediate_size=8, num_heads=1, out_hidden_size=32, patch_size=2, num_position_embeddings=4)
    config = getattr(transformers, name + "Config")(text_config=SHAPE | dict(rope_parameters=rotary) | text, vision_config=sight)
    return getattr(transformers, name + "ForConditionalGeneration")(config)


# Name: the model, what else is written in its config.json and, where they are others, its tensors.
MODELS = {
    "granite": (lambda: granite(tie_word_embeddings=True), None),
    "granite-untied": (lambda: granite(attention_bias=True, mlp_bias=True), None),
    "minicpm": (
        lambda: granite(
            tie_word_embeddings=True, residual_multiplier=1.4 / 2**0.5, logits_scaling=32 / 16, attention_multiplier=8**-0.5
        ),
        minicpm,
    ),
    "smollm3": (lambda: plain("SmolLM3", num_hidden_layers=4, intermediate_size=32), None),
    "phi3": (lambda: plain("Phi3"), None),
    "phi3-partial": (lambda: plain("Phi3", partial_rotary_factor=0.75, tie_word_embeddings=True), None),
    "phi3-long": (
        lambda: plain(
            "Phi3", partial_rotary_factor=0.75, tie_word_embeddings=True, original_max_position_embeddings=16, rope_parameters=dict(LONGROPE)
        ),
        None,
    ),
    "phi3-short": (
        lambda: plain(
            "Phi3", partial_rotary_factor=0.75, tie_word_embeddings=True, original_max_position_embeddings=256,
            rope_parameters=LONGROPE | dict(factor=4.0),
        ),
        None,
    ),
    "glm": (lambda: plain("Glm", head_dim=8), None),
    "glm4": (lambda: plain("Glm4", head_dim=8), None),
    "olmo2": (lambda: plain("Olmo2"), None),
    "exaone4": (
        lambda: plain("Exaone4", sliding_window=None, layer_types=["full_attention"] * 2, head_dim=8, tie_word_embeddings=True),
        None,
    ),
    "exaone4-window": (
        lambda: plain("Exaone4", sliding_window=12, sliding_window_pattern=2, num_hidden_layers=3, intermediate_size=32, head_dim=8), None
    ),
    "olmo3": (
        lambda: plain("Olmo3", sliding_window=12, layer_types=["sliding_attention", "full_attention"], rope_parameters=OLMO3), None
    ),
    "mistral": (lambda: plain("Mistral", sliding_window=70), None),
    "ministral": (lambda: plain("Ministral", head_dim=8, sliding_window=12, layer_types=["full_attention", "sliding_attention"]), None),
    "qwen2-window": (lambda: plain("Qwen2", use_sliding_window=True, sliding_window=12, max_window_layers=1), None),
    "qwen3-window": (lambda: plain("Qwen3", head_dim=8, use_sliding_window=True, sliding_window=1, max_window_layers=0), None),
    "smollm3-window": (
        lambda: plain("SmolLM3", num_hidden_layers=4, intermediate_size=32, use_sliding_window=True, sliding_window=12), None
    ),
    "phi3-window": (lambda: plain("Phi3", sliding_window=13), None),
    "mistral3": (mistral3, None),
    "qwen2-vl": (lambda: qwen_vl("Qwen2_5_VL"), None),
    "qwen3-vl": (lambda: qwen_vl("Qwen3VL", head_dim=8), None),
    "internlm3": (lambda: plain("InternLM3", attention_bias=True, mlp_bias=True, head_dim=8), internlm3),
    "internlm2": (lambda: plain("Llama", attention_bias=True, head_dim=8), internlm2, internlm2_tensors),
    "mimo": (lambda: plain("Qwen2"), mimo, mimo_tensors),
    "pangu": (lambda: plain("Llama", attention_bias=True), pangu),
    "hunyuan": (
        lambda: plain(
            "HunYuanDenseV1", head_dim=8, attention_bias=True, tie_word_embeddings=True,
            rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, alpha=50.0, factor=1.0),
        ),
        None,
    ),
    "cwm": (lambda: plain("Cwm", head_dim=8, sliding_window=12, rope_parameters=LLAMA3), None),
    "hyperclovax": (
        lambda: plain("HyperCLOVAX", **FACTORS | dict(logits_scaling=0.5, attention_bias=True, mlp_bias=True, use_post_norm=False)),
        None,
    ),
    "hyperclovax-behind": (lambda: plain("HyperCLOVAX", **FACTORS | dict(logits_scaling=0.5)), None),
    "helium": (lambda: plain("Helium", head_dim=8), None),
    "ernie45": (lambda: plain("Ernie4_5", head_dim=8), None),
    "seed-oss": (lambda: plain("SeedOss", head_dim=16), None),
    "exaone": (
        lambda: transformers.AutoModelForCausalLM.from_config(transformers.ExaoneConfig(**SHAPE), dtype=torch.float32),
        exaone,
    ),
    "granite4": (
        lambda: plain(
            "GraniteMoeHybrid", num_local_experts=0, shared_intermediate_size=48, layer_types=["full_attention"] * 2,
            position_embedding_type="rope", mamba_n_heads=8, tie_word_embeddings=True, **FACTORS
        ),
        None,
    ),
}


def fill(model, gain):
    with torch.no_grad():
        for key, p in model.named_parameters():
            if key.endswith(".bias"):
                p.normal_(0, 0.2)
            elif p.dim() == 1:
                p.normal_(1, 0.2)
            elif "embed" in key:
                p.normal_(0, 0.05 if hasattr(model.config, "embedding_multiplier") else 0.3)
            else:
                p.normal_(0, gain * p.shape[1] ** -0.5)
            p.copy_(p.to(torch.bfloat16))  # exact in what is written


def golden(model, longer):
    model, prompt = model.to(torch.float64), PROMPT + longer
    tokens, margins = torch.randint(3, SHAPE["vocab_size"], (1, prompt)), []
    with torch.no_grad():
        while tokens.shape[1] < prompt + GREEDY:
            logits = model(tokens).logits[0, -1]
            logits[SHAPE["eos_token_id"]] = -1e9  # answers go on
            best = logits.topk(2)
            margins.append(round(float(best.values[0] - best.values[1]), 4))
            tokens = torch.cat([tokens, best.indices[:1].reshape(1, 1)], 1)
        logits = model(tokens).logits[0]
    ids = tokens[0].tolist()
    rows = [{"position": p, "values": [round(v, 5) for v in logits[p].tolist()]} for p in (longer + p for p in STORED)]
    return {"prompt": ids[:prompt], "greedy": ids[prompt:], "margins": margins, "logits": rows}


def main(folder, *names):
    for name in names or MODELS:
        make, change, *others = MODELS[name]
        torch.manual_seed(1)
        model = make().eval()
        longer = LONGER.get(name, 0)
        fill(model, 1 if longer else 2)
        out = pathlib.Path(folder) / name
        copy.deepcopy(model).to(torch.bfloat16).save_pretrained(out, safe_serialization=True)
        path = out / "config.json"
        config = json.loads(path.read_text())
        if change:
            change(config)
        path.write_text(json.dumps(config, indent=2) + "\n")
        for change in others:
            path = out / "model.safetensors"
            safetensors.torch.save_file(change(safetensors.torch.load_file(path)), path, {"format": "pt"})
        (out / "golden.json").write_text(json.dumps(golden(model, longer)) + "\n")
        (out / "generation_config.json").unlink(missing_ok=True)


main(*sys.argv[1:])
