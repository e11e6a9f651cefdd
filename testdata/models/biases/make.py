"""Writes two tiny random checkpoints with biases, and what transformers makes of
them: greedy tokens, and logits after some of all tokens, in float64.

usage: make.py FOLDER    (needs torch, transformers, safetensors)
"""

import copy
import json
import pathlib
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

SHAPE = dict(
    vocab_size=96, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-5, rope_theta=10000.0, bos_token_id=1, eos_token_id=2,
)
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=True)),
}
PROMPT, GREEDY, STORED = 40, 24, (0, 1, 17, 39, 40, 62)


def main(folder):
    for name, make in MODELS.items():
        torch.manual_seed(1)
        model = make().eval()
        with torch.no_grad():
            for key, p in model.named_parameters():
                if key.endswith(".bias"):
                    p.normal_(0, 0.5)
                elif p.dim() == 1:
                    p.normal_(1, 0.2)
                elif "embed" in key:
                    p.normal_(0, 1)
                else:
                    p.normal_(0, 2 * p.shape[1] ** -0.5)
                p.copy_(p.to(torch.bfloat16))  # exact in what is written
        out = pathlib.Path(folder) / name
        copy.deepcopy(model).to(torch.bfloat16).save_pretrained(out, safe_serialization=True)
        model = model.to(torch.float64)
        tokens = torch.randint(3, SHAPE["vocab_size"], (1, PROMPT))
        margins = []
        with torch.no_grad():
            while tokens.shape[1] < PROMPT + GREEDY:
                logits = model(tokens).logits[0, -1]
                logits[SHAPE["eos_token_id"]] = -1e9  # answers go on
                best = logits.topk(2)
                margins.append(round(float(best.values[0] - best.values[1]), 4))
                tokens = torch.cat([tokens, best.indices[:1].reshape(1, 1)], 1)
            logits = model(tokens).logits[0]
        ids = tokens[0].tolist()
        golden = {
            "prompt": ids[:PROMPT], "greedy": ids[PROMPT:], "margins": margins,
            "logits": [{"position": p, "values": [round(v, 5) for v in logits[p].tolist()]} for p in STORED],
        }
        (out / "golden.json").write_text(json.dumps(golden) + "\n")
        (out / "generation_config.json").unlink(missing_ok=True)


main(sys.argv[1])
