// Package tokenizer turns text into tokens and tokens into text.
//
// # Which tokenizers are supported?
//
// The families that checkpoints of the Llama architecture have: byte-level BPE
// (bpe.go) with the words of Llama 3, Qwen 2 or GPT-2 (split.go) or those of any
// other expression (package regex); the BPE over characters of SentencePiece
// (spm.go); its Unigram (unigram.go); and whole words or the longest pieces of
// them, WordLevel and WordPiece (words.go). Both kinds of BPE merge with the same
// queue (merge.go). They come from the metadata of a GGUF file (gguf.go), from a
// tokenizer.json (huggingface.go, pipeline.go) with the files beside it
// (files.go, tokenizer_config.go), or from a tokenizer.model (sentencepiece.go).
// Whatever would change the tokens and is not implemented is an error that names
// the key.
//
// # What happens to bytes that are not UTF-8?
//
// They are encoded as they are, by the tokens of single bytes, so that the
// tokens' bytes always give the input back. Only where words are cut does such a byte count as
// U+FFFD.
//
// # When is text a special token?
//
// Only with EncodeOptions.ParseSpecial. Added tokens that are not special, such
// as <think> in some vocabularies, are found always, as in the reference
// implementations.
//
// # Why does the time not depend on the words?
//
// A word may be as long as the text, so merging uses a queue, n log n in the
// length of the word. Short words are remembered (cache.go) in slots that any
// goroutine may read and replace without a lock.
package tokenizer
