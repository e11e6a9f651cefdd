"""Digests of the values of ggml's types, by gguf-py, of blocks whose bytes a small generator makes."""
import hashlib
import json
import pathlib

import numpy
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

BLOCKS = 400
HALF = {"IQ1_S": 0, "IQ1_M": 54, "IQ2_XXS": 0, "IQ2_XS": 0, "IQ2_S": 0, "IQ3_XXS": 0, "IQ3_S": 0, "TQ1_0": 52, "TQ2_0": 64}


def made(n):
    x = 1
    for _ in range(n):
        x = (x * 1664525 + 1013904223) % 2**32
        yield x >> 24


digests = {}
for name, half in HALF.items():
    typ = GGMLQuantizationType[name]
    size = GGML_QUANT_SIZES[typ][1]
    data = numpy.array(list(made(BLOCKS * size)), dtype=numpy.uint8).reshape(BLOCKS, size)
    data[:, half + 1] &= 0xBF  # d is below 2
    values = quants.dequantize(data, typ).astype("<f4") + numpy.float32(0)  # no -0
    digests[name] = {"half": half, "sha256": hashlib.sha256(values.tobytes()).hexdigest()}
pathlib.Path(__file__).with_name("digests.json").write_text(json.dumps(digests, indent=1) + "\n")
