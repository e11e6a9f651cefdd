"""Writes tiny random checkpoints in integers, packed by the code of those who define the
forms, and what transformers makes of the values that they stand for, in float64: greedy
tokens, and logits after some of all tokens.

usage: make.py FOLDER    (needs torch, transformers, safetensors; compressed-tensors 0.11,
auto-gptq 0.7, autoawq 0.2)
"""

import json
import pathlib
import sys

import torch
from auto_gptq.nn_modules.qlinear.qlinear_cuda_old import QuantLinear
from awq.modules.linear.gemm import WQLinear_GEMM
from compressed_tensors.compressors.quantized_compressors.naive_quantized import IntQuantizationCompressor
from compressed_tensors.compressors.quantized_compressors.pack_quantized import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE = dict(
    vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-5, rope_theta=10000.0, bos_token_id=1, eos_token_id=2,
)
PROMPT, GREEDY, STORED = 24, 16, (0, 23, 24, 38)


class Form:
    """A form of checkpoints: how weights are drawn, packed and described."""

    def __init__(self, bits, group, symmetric, dtype):
        self.bits, self.group, self.symmetric, self.dtype = bits, group, symmetric, dtype

    def draw(self, rows, cols):
        """Draws codes without sign [rows, cols], zeros and scales [rows, groups]; group None: all columns."""
        groups = 1 if self.group is None else -(-cols // self.group)
        middle = 1 << (self.bits - 1)
        size = middle * 0.4
        codes = (middle + size * torch.randn(rows, cols)).round().clamp(0, 2 * middle - 1)
        zeros = torch.full((rows, groups), middle) if self.symmetric else torch.randint(middle - 3, middle + 4, (rows, groups))
        scales = (1.5 * cols**-0.5 / size * (0.5 + torch.rand(rows, groups))).to(self.dtype)
        return codes.long(), zeros, scales

    def values(self, codes, zeros, scales):
        cols = codes.shape[1]
        wide = lambda x: x.repeat_interleave(self.group or cols, 1)[:, :cols]
        return (codes - wide(zeros)).double() * wide(scales).double()


class Compressed(Form):
    def __init__(self, compressor, form, bits, group, symmetric, activations=None):
        super().__init__(bits, group, symmetric, torch.bfloat16)
        self.compressor, self.form = compressor(), form
        strategy = "channel" if group is None else "group"
        self.args = QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric, strategy=strategy, group_size=group)
        self.scheme = QuantizationScheme(targets=["Linear"], weights=self.args, input_activations=activations)

    def pack(self, name, codes, zeros, scales):
        middle = 1 << (self.bits - 1)
        state = {
            name + ".weight": self.values(codes, zeros, scales).float(), name + ".weight_scale": scales,
            name + ".weight_zero_point": (zeros - middle).to(torch.int8),
        }
        # Scales in float32, so that codes come back as they were drawn.
        state[name + ".weight_scale"] = scales.float()
        packed = self.compressor.compress(state, {name: self.scheme})
        packed[name + ".weight_scale"] = scales
        return packed

    def config(self):
        c = QuantizationConfig(config_groups={"group_0": self.scheme}, format=self.form, quantization_status="compressed", ignore=["lm_head"])
        return c.model_dump()


class GPTQ(Form):
    def __init__(self, bits, group, symmetric, v2=False):
        super().__init__(bits, group, symmetric, torch.float16)
        self.v2 = v2

    def pack(self, name, codes, zeros, scales):
        rows, cols = codes.shape
        linear = torch.nn.Linear(cols, rows, bias=False)
        linear.weight.data = self.values(codes, zeros, scales).float()
        q = QuantLinear(self.bits, self.group or -1, cols, rows, False, weight_dtype=torch.float32)
        q.pack(linear, scales.float(), zeros.float(), None)
        if self.v2:  # GPTQModel's later format stores zeros as they are
            q.qzeros += 0x11111111
        tensors = {"qweight": q.qweight, "qzeros": q.qzeros, "scales": q.scales.half(), "g_idx": q.g_idx}
        return {f"{name}.{k}": v for k, v in tensors.items()}

    def config(self):
        return {
            "bits": self.bits, "group_size": self.group or -1, "damp_percent": 0.01, "desc_act": False, "static_groups": False,
            "sym": self.symmetric, "true_sequential": True, "quant_method": "gptq",
            "checkpoint_format": "gptq_v2" if self.v2 else "gptq",
        }


class AWQ(Form):
    def __init__(self, group):
        super().__init__(4, group, False, torch.float16)

    def pack(self, name, codes, zeros, scales):
        rows, cols = codes.shape
        linear = torch.nn.Linear(cols, rows, bias=False)
        linear.weight.data = self.values(codes, zeros, scales).float()
        # from_linear divides by scales in F16, which loses nothing here: they are.
        q = WQLinear_GEMM.from_linear(linear, 4, self.group, scales=scales.float().t().contiguous(), zeros=zeros.float().t().contiguous())
        return {f"{name}.{k}": getattr(q, k) for k in ("qweight", "qzeros", "scales")}

    def config(self):
        return {
            "bits": 4, "group_size": self.group, "modules_to_not_convert": None, "quant_method": "awq", "version": "gemm", "zero_point": True,
        }


PER_TOKEN = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)
MODELS = {
    "w4a16": Compressed(PackedQuantizationCompressor, "pack-quantized", 4, 32, True),
    "w4a16-asymmetric": Compressed(PackedQuantizationCompressor, "pack-quantized", 4, 32, False),
    "w8a16": Compressed(PackedQuantizationCompressor, "pack-quantized", 8, None, True),
    "w8a8": Compressed(IntQuantizationCompressor, "int-quantized", 8, None, True, PER_TOKEN),
    "gptq": GPTQ(4, 64, True),
    "gptq-asymmetric": GPTQ(4, 32, False),
    "gptq-8": GPTQ(8, None, True),
    "gptq-v2": GPTQ(4, 32, False, v2=True),
    "awq": AWQ(32),
}


def greedy(model):
    """The tokens of a random prompt and of what follows, and what transformers says of them."""
    tokens, margins = torch.randint(3, SHAPE["vocab_size"], (1, PROMPT)), []
    with torch.no_grad():
        while tokens.shape[1] < PROMPT + GREEDY:
            logits = model(tokens).logits[0, -1]
            logits[SHAPE["eos_token_id"]] = -1e9  # answers go on
            best = logits.topk(2)
            margins.append(round(float(best.values[0] - best.values[1]), 4))
            tokens = torch.cat([tokens, best.indices[:1].reshape(1, 1)], 1)
        logits = model(tokens).logits[0]
    ids = tokens[0].tolist()
    return {
        "prompt": ids[:PROMPT], "greedy": ids[PROMPT:], "margins": margins,
        "logits": [{"position": p, "values": [round(v, 5) for v in logits[p].tolist()]} for p in STORED],
    }


def main(folder):
    for name, form in MODELS.items():
        torch.manual_seed(1)
        model = LlamaForCausalLM(LlamaConfig(**SHAPE)).to(torch.float64).eval()
        tensors = {}
        with torch.no_grad():
            for key, p in model.named_parameters():
                if p.dim() == 1 or "embed" in key or "lm_head" in key:
                    p.normal_(*((1, 0.2) if p.dim() == 1 else (0, 2 * p.shape[1] ** -0.5 if "lm_head" in key else 1)))
                    tensors[key] = p.to(torch.bfloat16)
                    p.copy_(tensors[key])
                    continue
                drawn = form.draw(*p.shape)
                tensors |= form.pack(key.removesuffix(".weight"), *drawn)
                p.copy_(form.values(*drawn))
        out = pathlib.Path(folder) / name
        out.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in tensors.items()}, out / "model.safetensors", metadata={"format": "pt"})
        config = SHAPE | {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "torch_dtype": str(form.dtype).removeprefix("torch."), "quantization_config": form.config(),
        }
        (out / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n")
        (out / "golden.json").write_text(json.dumps(greedy(model)) + "\n")


main(sys.argv[1])
