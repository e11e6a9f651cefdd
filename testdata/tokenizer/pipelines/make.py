"""Writes cases.jsonl.gz: what tokenizers makes of texts with the two vocabularies of
this folder and one change after another to what stands around the model; and
decoders.jsonl.gz: what it makes of random ids with one decoder after another.

usage: make.py    (needs tokenizers, and sentencepiece for the table of ../charsmap)
"""

import base64
import copy
import gzip
import json
import pathlib
import random
import runpy

from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
MARK = "\u2581"
WORDS = [
    "don't", "I'LL", "hello", "World", "na\u00efve", "Stra\u00dfe", "\u0130stanbul", "\ufb01n", "\u0391\u03a3", "\u0441\u043b\u043e\u0432\u043e",
    "\u65e5\u672c\u8a9e", "\uff76\uff9e", "\ud55c", "\u1112\u1161\u11ab", "e\u0301", "a\u0323\u0302", "\u212b", "\uff11\uff12", "\u2460", "\u00bd",
    "12345", "3.14", "a_b", "fooBar", "==", "...", "\u201cq\u201d", "\u20ac", "f(x)", "\u24d0", "\u216b", "\u00b2", "\U0001f469\u200d\U0001f467", "\u0927\u094d", "\u0345" * 33,
    "</s>", MARK, MARK * 2, "``", "the", "quick", "x",
]
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2003 ", "\u200b", "", "", ""]


def texts(seed):
    r = random.Random(seed)
    for _ in range(30):
        parts = [r.choice(SPACES)]
        for _ in range(r.randrange(1, 9)):
            parts += [r.choice(WORDS), r.choice(SPACES)]
        yield "".join(parts)
    yield from ["", " ", "  ", "a", "</s>", "x</s>x", " x </s> x ", "1 22 333", "A" * 40, "``''"]


def sequence(name, *steps):
    return {"type": "Sequence", name: list(steps)}


def normalizers(*steps):
    return sequence("normalizers", *steps)


def cuts(*steps):
    return sequence("pretokenizers", *steps)


def step(name, **members):
    return {"type": name, **members}


def replace(old, new, kind="String"):
    return step("Replace", pattern={kind: old}, content=new)


def split(what, behavior="Isolated", invert=False, kind="Regex"):
    return step("Split", pattern={kind: what}, behavior=behavior, invert=invert)


def level(prefix=False, regex=False):
    return step("ByteLevel", add_prefix_space=prefix, trim_offsets=True, use_regex=regex)


def meta(scheme, cut=True):
    return step("Metaspace", replacement=MARK, prepend_scheme=scheme, split=cut)


NORMALIZERS = {
    "NFC": step("NFC"), "NFD": step("NFD"), "NFKC": step("NFKC"), "NFKD": step("NFKD"), "lower": step("Lowercase"),
    "strip": step("Strip", strip_left=True, strip_right=True), "strip left": step("Strip", strip_left=True, strip_right=False),
    "accents": normalizers(step("NFD"), step("StripAccents")), "replace": replace("``", '"'),
    "collapse": replace(" {2,}", " ", "Regex"), "tail": replace("\\s+$", "", "Regex"), "prepend": step("Prepend", prepend="> "),
    "lists": normalizers(normalizers(step("NFKC"), step("Lowercase")), normalizers()),
}
BEHAVIORS = ["Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"]


def bpe_cases():
    for name, n in NORMALIZERS.items():
        yield name, {"normalizer": n}
    for b in BEHAVIORS:
        yield "spaces " + b, {"pre_tokenizer": cuts(split("\\s+", b), level())}
        yield "letters inverted " + b, {"pre_tokenizer": cuts(split("\\p{L}+", b, True), level())}
        yield "space " + b, {"pre_tokenizer": cuts(split(" ", b, False, "String"), level())}
        yield "signs " + b, {"pre_tokenizer": cuts(step("Punctuation", behavior=b), level())}
    for expression in ["\\w+", "[^\\w\\s]+", "\\b", "\\p{Uppercase_Letter}|\\p{han}+", "\\p{Alpha}+"]:
        yield expression, {"pre_tokenizer": cuts(split(expression), level())}
    for expression in [
        "[[:alpha:]]+", "[^[:space:][:punct:]]+", "[[:word:]-]+", "(?i:[[:upper:]]+)", "[[:^lower:][:blank:]]", "\\h+", "[\\H&&[:alnum:]]+", "[[:cntrl:][:digit:]]+",
    ]:
        yield expression, {"pre_tokenizer": cuts(split(expression), level())}
    yield "words", {"pre_tokenizer": cuts(step("Whitespace"), level())}
    yield "white space", {"pre_tokenizer": cuts(step("WhitespaceSplit"), level(regex=True))}
    yield "digits", {"pre_tokenizer": cuts(step("Digits", individual_digits=False), split("\\s", "Contiguous"), level())}
    yield "prefix", {"pre_tokenizer": level(prefix=True, regex=True)}
    yield "prefix of parts", {"pre_tokenizer": cuts(split("[0-9]"), level(prefix=True))}
    yield "no words", {"pre_tokenizer": level()}
    yield "after bytes", {"pre_tokenizer": cuts(step("Punctuation", behavior="Contiguous"), level(regex=True), step("Digits", individual_digits=False), split("[0-9][0-9][0-9]"))}
    yield "bytes, then letters", {"pre_tokenizer": cuts(level(), split("\\p{L}+", "MergedWithNext"), step("WhitespaceSplit"))}
    yield "lists of steps", {"pre_tokenizer": cuts(cuts(split("[0-9]+")), cuts(), level(regex=True))}
    for expression in [
        "\\R", "\\X", "(?im:T.)+", "(?x) \\p{L} + # letters\n | \\d", "[[:graph:]]+", "[[:^print:]]|\\p{Blank}+", "(?<=\\d{2}|[a-z]o)\\p{Graph}", "(?<!^|the)q|(?<n>x)\\Z",
    ]:
        yield expression, {"pre_tokenizer": cuts(split(expression), level())}
    for name, s in NEWER_STEPS.items():
        yield name, {"pre_tokenizer": cuts(s, level())}
    for name, n in NEWER_NORMALIZERS.items():
        yield name, {"normalizer": n}
    yield "bytes by the normalizer", {"normalizer": normalizers(step("NFC"), step("ByteLevel")), "pre_tokenizer": split("\\p{L}+")}
    yield "bytes by the normalizer alone", {"normalizer": step("ByteLevel"), "pre_tokenizer": None}


NEWER_STEPS = {
    "BERT's words": step("BertPreTokenizer"), "delimiter": step("CharDelimiterSplit", delimiter="e"),
    "length": step("FixedLength", length=3), "length of one": step("FixedLength", length=1),
}


def bert(clean, chinese, accents, lower):
    return step("BertNormalizer", clean_text=clean, handle_chinese_chars=chinese, strip_accents=accents, lowercase=lower)


NEWER_NORMALIZERS = {
    "Nmt": step("Nmt"), "BERT": bert(True, True, None, True), "BERT, cased": bert(True, False, None, False), "BERT, accents": bert(False, True, True, False),
}


def word_cases():
    """Models whose tokens are words or parts of them, and BPE that leaves out what it does not know."""
    words = ["the", "quick", "x", "hello", "World", "12345", "3", ".", "don", "'", "t", "\u65e5", "\u0441\u043b\u043e"]
    vocab = {t: i for i, t in enumerate(dict.fromkeys(["<unk>", "<s>", "</s>", *words, *"abcdefghijklmnopqrstuv", "\u672c"]))}
    level_ = dict(type="WordLevel", vocab=vocab, unk_token="<unk>")
    yield "words", {"normalizer": None, "pre_tokenizer": step("Whitespace"), "decoder": None, "model": level_}
    yield "words, not cut", {"normalizer": None, "pre_tokenizer": None, "decoder": None, "model": level_}
    parts = dict(vocab)
    for t in ["##lo", "##k", "##o", "##e", "##l", "##f", "##a", "##n", "##\u672c", "##x"]:
        parts[t] = len(parts)
    for most in [100, 4]:
        piece = dict(type="WordPiece", unk_token="<unk>", continuing_subword_prefix="##", max_input_chars_per_word=most, vocab=parts)
        yield f"parts of words of {most}", {
            "normalizer": bert(True, True, None, True), "pre_tokenizer": step("BertPreTokenizer"), "decoder": step("WordPiece", prefix="##", cleanup=True), "model": piece,
        }
    merges = [["q", "u"], ["i", "c"], ["e", "l"], ["t", "h"], ["th", "e"]]
    chars = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>", *"abcdehiqtul", *map("".join, merges)])}
    lost = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False, byte_fallback=False, vocab=chars, merges=merges)
    yield "left out", {"normalizer": None, "pre_tokenizer": step("Whitespace"), "decoder": None, "model": lost}
    ends = [["q", "##u"], ["##l", "##o</w>"], ["t", "##h"], ["th", "##e</w>"]]
    marked = dict.fromkeys(["<unk>", "<s>", "</s>", *"abcdehiqtul", "##l", "##u", "##o</w>", "##h", "##e</w>", "##i", "##c", "##k</w>", "x</w>", "x"])
    marked |= dict.fromkeys(a + b.removeprefix("##") for a, b in ends)
    whole = dict(lost, unk_token="<unk>", fuse_unk=True, continuing_subword_prefix="##", end_of_word_suffix="</w>", vocab={t: i for i, t in enumerate(marked)}, merges=ends)
    yield "ends of words", {"normalizer": None, "pre_tokenizer": step("BertPreTokenizer"), "decoder": step("BPEDecoder", suffix="</w>"), "model": whole}
    yield "left out, not cut", {"normalizer": None, "pre_tokenizer": None, "decoder": None, "model": lost}


def newer_cases():
    for name in ["NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase"]:
        yield "newer runes, " + name, {"normalizer": step(name)}
    for name, n in NEWER_NORMALIZERS.items():
        yield "newer runes, " + name, {"normalizer": n}
    yield "newer runes, signs", {"pre_tokenizer": cuts(step("Punctuation", behavior="Isolated"), level())}
    for name in ["L", "Lu", "Ll", "Lo", "M", "Mn", "Mc", "N", "Nd", "P", "S", "Cn", "Han", "Alpha"]:
        yield "newer runes, " + name, {"normalizer": replace(f"\\p{{{name}}}", "!", "Regex")}
    yield "newer runes, words", {"normalizer": replace("\\w+", "!", "Regex")}


def newer_texts():
    """Runes that the tables of some program do not have, alone and among marks."""
    ranges = json.loads((HERE.parent / "unicode-classes.json").read_text())
    ends = sorted({c for r in [ranges["unicode9"], *ranges["newer"].values()] for pair in r for c in pair} - {0x1171E})
    yield from ("a" + "".join(chr(c) + " " for c in ends[i : i + 10]) for i in range(0, len(ends), 10))
    r = random.Random(9)
    for _ in range(100):
        yield "".join(r.choice("ae\u0391\u1112\ud55c\uff76\u1ffc") + "".join(chr(r.choice([*ends, 0x301, 0x323, 0x327, 0x345, 0x5BC])) for _ in range(r.randrange(4))) for _ in range(5))


def spm_cases():
    marks = [step("Prepend", prepend=MARK), replace(" ", MARK)]
    for name, n in NORMALIZERS.items():
        yield name, {"normalizer": normalizers(n, *marks)}
        yield name + ", then words", {"normalizer": n, "pre_tokenizer": meta("always")}
    yield "after marks", {"normalizer": normalizers(*marks, step("NFKC"))}
    for scheme in ["always", "first", "never"]:
        for cut in [True, False]:
            yield f"{scheme} {cut} before digits", {
                "normalizer": None, "pre_tokenizer": cuts(meta(scheme, cut), step("Digits", individual_digits=True)),
            }
            yield f"{scheme} {cut} after signs", {"normalizer": None, "pre_tokenizer": cuts(step("Punctuation", behavior="Isolated"), meta(scheme, cut))}
        yield scheme + " after NFKC", {"normalizer": step("NFKC"), "pre_tokenizer": meta(scheme)}
    yield "marked and cut", {"normalizer": normalizers(*marks), "pre_tokenizer": meta("never")}
    for b in BEHAVIORS:
        yield "marks " + b, {"pre_tokenizer": split(MARK, b, False, "String")}
    yield "digits", {"pre_tokenizer": step("Digits", individual_digits=True)}
    yield "white space", {"normalizer": None, "pre_tokenizer": cuts(step("WhitespaceSplit"), meta("always", False))}


def spm_file():
    vocab = json.loads((HERE.parent / "own-sentencepiece" / "vocab.json").read_text())
    ids = {text: i for i, (text, _, _) in enumerate(vocab["tokens"])}
    pieces = {text for text, _, kind in vocab["tokens"] if kind == 1}
    merges = [[t[:i], t[i:]] for t, _, kind in vocab["tokens"] if kind == 1 for i in range(1, len(t)) if t[:i] in pieces and t[i:] in pieces]
    decoders = [replace(MARK, " "), step("ByteFallback"), step("Fuse"), step("Strip", content=" ", start=1, stop=0)]
    added = [
        dict(id=i, content=t, special=True, single_word=False, lstrip=False, rstrip=False, normalized=False)
        for i, t in enumerate(["<unk>", "<s>", "</s>"])
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "post_processor": None,
        "normalizer": normalizers(step("Prepend", prepend=MARK), replace(" ", MARK)), "pre_tokenizer": None,
        "decoder": sequence("decoders", *decoders),
        "model": dict(
            type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None,
            fuse_unk=True, byte_fallback=True, vocab=ids, merges=merges,
        ),
    }


def uni_cases():
    marks = [step("Prepend", prepend=MARK), replace(" ", MARK)]
    yield "marks", {}
    yield "words", {"normalizer": None, "pre_tokenizer": meta("always")}
    yield "NFKC", {"normalizer": normalizers(step("NFKC"), *marks)}
    yield "digits", {"normalizer": None, "pre_tokenizer": cuts(step("Digits", individual_digits=True), meta("first"))}
    compiled = runpy.run_path(HERE.parent / "charsmap" / "make.py")["charsmap"]()
    table = step("Precompiled", precompiled_charsmap=base64.b64encode(compiled).decode())
    yield "table", {"normalizer": normalizers(table, *marks)}
    for scheme in ["always", "first", "never"]:
        right = step("Strip", strip_left=False, strip_right=True)
        yield f"table, {scheme}", {"normalizer": table, "pre_tokenizer": meta(scheme)}
        yield f"table and spaces, {scheme}", {"normalizer": normalizers(table, right, replace(" {2,}", MARK, "Regex")), "pre_tokenizer": meta(scheme)}
    yield "table, then words", {"normalizer": table, "pre_tokenizer": cuts(step("WhitespaceSplit"), meta("always"))}


def uni_file():
    """The same vocabulary with scores of no meaning, as a Unigram model."""
    file = spm_file()
    texts = sorted(file["model"]["vocab"], key=file["model"]["vocab"].get)
    scores = [0.0 if i < 259 else -(800 + i * 7919 % 1000) / 100 for i in range(len(texts))]
    file["model"] = dict(type="Unigram", unk_id=0, byte_fallback=True, vocab=list(map(list, zip(texts, scores))))
    return file


def decoder_cases():
    replaced, bytes_, fuse, strip = replace(MARK, " "), step("ByteFallback"), step("Fuse"), step("Strip", content=" ", start=1, stop=0)
    for name, steps in {"strip": [replaced, bytes_, fuse, strip], "no strip": [replaced, bytes_, fuse]}.items():
        yield name, True, sequence("decoders", *steps)
    for scheme in ["always", "first", "never"]:
        yield "metaspace " + scheme, False, meta(scheme)
    yield "bytes that no piece spells", False, sequence("decoders", replaced, bytes_, fuse, strip)
    yield "none", True, None
    yield "ends of words", True, step("BPEDecoder", suffix="ing")
    yield "bytes", True, step("ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True)
    for clean in [True, False]:
        yield f"words {clean}", True, step("WordPiece", prefix="i", cleanup=clean)


def decoded(file, seed):
    """Ids of all kinds with their texts. Bytes come in whole runes: of others each reference has its own idea."""
    r = random.Random(seed)
    tok = Tokenizer.from_str(json.dumps(file))
    texts = [tok.id_to_token(i) for i in range(tok.get_vocab_size())]
    marked = [i for i, t in enumerate(texts) if t.startswith(MARK)]
    others = [i for i, t in enumerate(texts) if not t.startswith("<0x")]
    spelled = {t: i for i, t in enumerate(texts)}
    for _ in range(200):
        ids = []
        for _ in range(r.randrange(1, 6)):
            kind = r.randrange(5)
            if kind == 0 and "<0x20>" in spelled:
                ids += [spelled[f"<0x{b:02X}>"] for b in r.choice([" ", "  ", "a", "\u00e9", "\U0001f600"]).encode()]
            elif kind <= 2:
                ids.append(r.choice(marked))
            else:
                ids.append(r.choice(others))
        yield [ids, tok.decode(ids, skip_special_tokens=True), tok.decode(ids, skip_special_tokens=False)]


def without_bytes(file):
    """A vocabulary in which no piece spells a byte: its pieces follow one another without them."""
    pieces = [piece for piece in file["model"]["vocab"] if not piece[0].startswith("<0x")]
    file["model"] |= dict(vocab=pieces, byte_fallback=False)
    return file


def write(name, lines):
    with gzip.GzipFile(HERE / name, "wb", mtime=0) as out:
        out.write("\n".join(lines).encode() + b"\n")


def main():
    bpe = json.loads((HERE.parent / "own-bpe" / "tokenizer.json").read_text())
    lines = []
    for vocabulary, file, cases in [("bpe", bpe, bpe_cases()), ("spm", spm_file(), spm_cases()), ("uni", uni_file(), uni_cases()), ("spm", spm_file(), word_cases())]:
        for seed, (name, change) in enumerate(cases):
            tok = Tokenizer.from_str(json.dumps({**copy.deepcopy(file), **change}))
            found = [[t, tok.encode(t, add_special_tokens=False).ids] for t in texts(seed)]
            lines.append(json.dumps(dict(name=name, vocabulary=vocabulary, change=change, texts=found), separators=(",", ":")))
    for name, change in newer_cases():
        tok = Tokenizer.from_str(json.dumps({**copy.deepcopy(bpe), **change}))
        found = [[t, tok.encode(t, add_special_tokens=False).ids] for t in newer_texts()]
        lines.append(json.dumps(dict(name=name, vocabulary="bpe", change=change, texts=found), separators=(",", ":")))
    write("cases.jsonl.gz", lines)
    lines = []
    for seed, (name, spells, decoder) in enumerate(decoder_cases()):
        file = uni_file() if spells else without_bytes(uni_file())
        found = list(decoded({**file, "decoder": decoder}, seed))
        lines.append(json.dumps(dict(name=name, bytes=spells, decoder=decoder, texts=found), separators=(",", ":")))
    write("decoders.jsonl.gz", lines)


main()
