"""Writes cases.jsonl.gz: what sentencepiece makes of texts with the model of
../own-sentencepiece and rules of normalisation that it has not.

usage: make.py    (needs sentencepiece)
"""

import base64
import gzip
import io
import json
import pathlib
import random
import tempfile

import sentencepiece

HERE = pathlib.Path(__file__).parent
MODEL = (HERE.parent / "own-sentencepiece" / "tokenizer.model").read_bytes()
# Keys that begin other keys, that vanish, become longer, or end within a character.
RULES = {
    "\ufb01": "fi", "\u00df": "ss", "A": "a", "B": "b", "\t": " ", "\n": " ", "\u3000": " ", "\u00a8": " \u0308", "\u200b": "", "e\u0301": "\u00e9",
    "\uff11": "1", "\uff12": "2", "ab": "x", "abc": "y", "abcd": "the", "\u212b": "\u00c5", "\U0001f600": ":)", "\u0130": "i\u0307", "\u2581": "_",
}
WORDS = [*RULES, "a", "the", "quick", "don't", "c", "d", "\u00e9", "\u65e5\u672c", "\U0001f601", "12", "hello World", "\u2581\u2581", ""]
SPACES = ["", "", " ", " ", "  ", "   ", "\n", "\t ", "\u3000"]


def number(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(key, value):
    """A field of protocol buffers: a number or bytes."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    return number(key << 3 | 2) + number(len(value)) + value


def fields(data):
    """The fields of bytes that a message has."""
    at = 0

    def read():
        nonlocal at
        n = shift = 0
        while True:
            at += 1
            n |= (data[at - 1] & 127) << shift
            shift += 7
            if data[at - 1] < 128:
                return n

    while at < len(data):
        key = read()
        if key & 7 == 2:
            size = read()
            at += size
            yield key >> 3, data[at - size : at]
        elif key & 7 == 0:
            read()
        else:
            at += 4 if key & 7 == 5 else 8


def charsmap():
    """The table of RULES, compiled."""
    codes = lambda text: " ".join(f"{ord(c):04X}" for c in text)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("".join(f"{codes(old)}\t{codes(new)}\n" for old, new in RULES.items()))
        rules.flush()
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d"]), model_writer=out, vocab_size=20, hard_vocab_limit=False, normalization_rule_tsv=rules.name, minloglevel=5,
        )
    spec = dict(fields(out.getvalue()))[3]
    return dict(fields(spec))[2]


def texts(seed):
    r = random.Random(seed)
    for _ in range(60):
        parts = [r.choice(SPACES)]
        for _ in range(r.randrange(1, 9)):
            parts += [r.choice(WORDS), r.choice(SPACES)]
        yield "".join(parts)
    yield from ["", " ", "   ", "\t", "\u2581", " a ", "  a  b  ", "abcde abce abe ae", "a\u2581 ", "e\u0301e\u0302"]


def main():
    table, unigram, remove, bare = field(2, charsmap()), field(2, field(3, 1)), field(4, 1), field(3, 0)
    cases = {
        "spaces": field(3, remove), "table": field(3, table), "both": field(3, table + remove), "no prefix": field(3, table + remove + bare),
        "Unigram": unigram + field(3, table), "Unigram, both": unigram + field(3, table + remove),
    }
    lines = []
    for seed, (name, spec) in enumerate(cases.items()):
        model = sentencepiece.SentencePieceProcessor(model_proto=MODEL + spec)
        all = list(texts(seed))
        case = dict(name=name, spec=base64.b64encode(spec).decode(), texts=all, ids=[model.encode(t) for t in all])
        lines.append(json.dumps(case, separators=(",", ":")))
    with gzip.GzipFile(HERE / "cases.jsonl.gz", "wb", mtime=0) as out:
        out.write("\n".join(lines).encode() + b"\n")


if __name__ == "__main__":
    main()
