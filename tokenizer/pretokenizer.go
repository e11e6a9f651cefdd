package tokenizer

import (
	"fmt"
	"slices"
)

// Expressions that several pre-tokenizers share, as tokenizer.json files have them.
const (
	everyNumber = `\p{N}`
	numbers     = `\p{N}+`
	gpt2Words   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	llama3Words = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Words  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	punctuation = `[\p{P}\x{166d}\x{111c9}!-/:-@\[-` + "`" + `{-~&&[^` + newerPunctuation + `]]`

	// newerPunctuation are signs that Unicode 7, which the reference's Punctuation knows, does not have.
	newerPunctuation = `\x{61d}\x{9fd}\x{a76}\x{c77}\x{c84}\x{1b4e}\x{1b4f}\x{1b7d}-\x{1b7f}\x{2e43}-\x{2e4f}\x{2e52}-\x{2e5d}\x{10d6e}\x{10ead}` +
		`\x{10f55}-\x{10f59}\x{10f86}-\x{10f89}\x{113d4}\x{113d5}\x{113d7}\x{113d8}\x{1144b}-\x{1144f}\x{1145a}\x{1145b}\x{1145d}` +
		`\x{11660}-\x{1166c}\x{116b9}\x{1183b}\x{11944}-\x{11946}\x{119e2}\x{11a3f}-\x{11a46}\x{11a9a}-\x{11a9c}` +
		`\x{11a9e}-\x{11aa2}\x{11b00}-\x{11b09}\x{11be1}\x{11c41}-\x{11c45}\x{11c70}\x{11c71}\x{11ef7}\x{11ef8}` +
		`\x{11f43}-\x{11f4f}\x{11fff}\x{12ff1}\x{12ff2}\x{16d6d}-\x{16d6f}\x{16e97}-\x{16e9a}\x{16fe2}\x{1e5ff}\x{1e95e}\x{1e95f}`

	wordsOrSigns = `[\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}Ⓐ-ⓩ🄰-🅉🅐-🅩🅰-🆉\x{200c}\x{200d}]+|[^\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}Ⓐ-ⓩ🄰-🅉🅐-🅩🅰-🆉\x{200c}\x{200d}\s]+`

	// tekken and gpt4o keep runs of upper and lower case apart.
	tekken = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|` +
		`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	gpt4o = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

	deepSeekLetters = `\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+`
	deepSeekSigns   = `\s?[!-/:-~！-／：-～‘-‟　-。]+`
	deepSeekCJK     = `[一-龥ࠀ-一가-퟿]+`
	deepSeekV3      = `[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` + "`" + `{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// preTokenizer is what a name in tokenizer.ggml.pre stands for.
type preTokenizer struct {
	splitter
	ignoreMerges bool
	addBOS       bool // where tokenizer.ggml.add_bos_token is absent
}

// preTokenizers are the names that converters to GGUF write, the one that export
// writes first, and the expressions of the tokenizers that they are for.
var preTokenizers = []struct {
	names        []string
	sources      []string
	ignoreMerges bool
	addBOS       bool
}{
	{[]string{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "midm-2.0", "lfm2", "pixtral"}, []string{llama3Words}, true, true},
	{[]string{"dbrx", "smaug-bpe", "chatglm-bpe"}, []string{llama3Words}, false, false},
	{[]string{"glm4"}, []string{llama3Words}, true, false},
	{[]string{"qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "kormo", "grok-2", "solar-open"}, []string{qwen2Words}, false, false},
	{[]string{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "mellum", "gigachat", "a.x-4.0", "exaone4", "modern-bert"}, []string{gpt2Words}, false, false},
	{[]string{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}, []string{everyNumber, gpt2Words}, false, false},
	{[]string{"tekken"}, []string{tekken}, true, true},
	{[]string{"gpt-4o", "llama4", "kanana2"}, []string{gpt4o}, false, false},
	{[]string{"deepseek-llm"}, []string{`[\r\n]`, deepSeekLetters, deepSeekSigns, `\s+$`, deepSeekCJK, numbers}, false, false},
	{[]string{"deepseek-coder"}, []string{`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, deepSeekCJK, everyNumber}, false, false},
	{[]string{"deepseek-v3", "hunyuan-dense", "joyai-llm"}, []string{`\p{N}{1,3}`, `[一-龥぀-ゟ゠-ヿ]+`, deepSeekV3}, false, false},
	{[]string{"seed-coder"}, []string{`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`}, false, false},
	{[]string{"minicpm5"}, []string{`\p{N}{1,3}`, `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`}, true, false},
	{[]string{"qwen35"}, []string{`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`}, false, false},
	{[]string{"viking"}, []string{` ?[^(\s|.,!?…。，、।۔،)]+`, everyNumber}, false, false},
	{[]string{"poro-chat", "bloom", "gpt3-finnish"}, []string{` ?[^(\s|.,!?…。，、।۔،)]+`}, false, false},
	{[]string{"falcon"}, []string{`[\p{P}\$\+<=>\^~\|` + "`" + `]+`, gpt2Words, `[0-9][0-9][0-9]`}, false, false},
}

// preTokenizerOf returns the pre-tokenizer of a GGUF file by its name.
func preTokenizerOf(name string) (preTokenizer, error) {
	for _, p := range preTokenizers {
		if slices.Contains(p.names, name) {
			s, err := splitterOf(p.sources)
			return preTokenizer{s, p.ignoreMerges, p.addBOS}, err
		}
	}
	return preTokenizer{}, fmt.Errorf("pre-tokenizer %q is not supported", name)
}
