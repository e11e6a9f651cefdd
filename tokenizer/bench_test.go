package tokenizer

import (
	"maps"
	"testing"

	"trona/testdata"
)

// BenchmarkEncode encodes about 1 MiB with the vocabulary of Llama 3, on one
// core; cold empties the word cache before each turn.
func BenchmarkEncode(b *testing.B) {
	tok := llama3(b)
	for _, text := range speedTexts(b) {
		b.Run(text.name, func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			for b.Loop() {
				tok.Encode(text.text, EncodeOptions{})
			}
		})
	}
	for _, text := range speedTexts(b)[:2] {
		b.Run(text.name+"-cold", func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			for b.Loop() {
				tok.model.(*byteLevel).cache = newWordCache()
				tok.Encode(text.text, EncodeOptions{})
			}
		})
	}
}

func BenchmarkEncodeSentencePiece(b *testing.B) {
	tok := ownSentencePiece(b)
	for _, text := range speedTexts(b) {
		b.Run(text.name, func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			for b.Loop() {
				tok.Encode(text.text, EncodeOptions{})
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := llama3(b)
	for _, text := range speedTexts(b)[:2] {
		ids := tok.Encode(text.text, EncodeOptions{})
		b.Run(text.name, func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			for b.Loop() {
				tok.Decode(ids, DecodeOptions{})
			}
		})
	}
}

// BenchmarkLoad makes the tokenizer from 128,256 tokens and 280,147 merges.
func BenchmarkLoad(b *testing.B) {
	m := llama3Metadata(b)
	b.Run("gguf", func(b *testing.B) {
		file := maps.Clone(m)
		for _, key := range []string{"tokenizer.ggml.tokens", "tokenizer.ggml.merges"} {
			file[key] = textsFrom(m[key].([]string))
		}
		for b.Loop() {
			if _, err := FromGGUF(file); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		f := Files{Tokenizer: llama3JSON(b, m)}
		b.SetBytes(int64(len(f.Tokenizer)))
		for b.Loop() {
			if _, err := FromFiles(f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("own", func(b *testing.B) {
		folder := testdata.Path(b, "tokenizer", "own-bpe")
		for b.Loop() {
			if _, err := Open(folder); err != nil {
				b.Fatal(err)
			}
		}
	})
}
