package server

import (
	"slices"

	"trona/tokenizer"
)

// infill are the tokens with which a model that fills in a middle wants its
// prompt: one before the prefix, one before the suffix, one before the answer.
type infill struct{ prefix, suffix, middle int32 }

// infillTokens are the names of such tokens: those of StarCoder and Granite, of
// Qwen and others, of Code Llama, of DeepSeek.
var infillTokens = [][3]string{
	{"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
	{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
	{"▁<PRE>", "▁<SUF>", "▁<MID>"},
	{"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
}

// findInfill returns the tokens of a vocabulary; nil where the model cannot
// fill in a middle.
func findInfill(t *tokenizer.Tokenizer) *infill {
	for _, names := range infillTokens {
		var ids []int32
		for _, name := range names {
			if id, ok := t.ID(name); ok && t.IsSpecial(id) {
				ids = append(ids, id)
			}
		}
		if len(ids) == len(names) {
			return &infill{ids[0], ids[1], ids[2]}
		}
	}
	return nil
}

// around returns the prompt for the middle between a prefix and a suffix. The
// tokens that begin a text stay first.
func (f *infill) around(begin, prefix, suffix []int32) []int32 {
	n := 0
	if hasPrefix(prefix, begin) {
		n = len(begin)
	}
	return slices.Concat(prefix[:n], []int32{f.prefix}, prefix[n:], []int32{f.suffix}, suffix, []int32{f.middle})
}

// readSuffix takes what follows the answer. It must be read before the prompts.
func (c *completion) readSuffix(o *object) {
	v := o.take("suffix")
	if v == nil {
		return
	}
	text := v.text(0, c.server.options.maxText())
	switch {
	case text == "":
		return
	case c.model.infill == nil:
		v.fail("needs a model whose vocabulary has tokens for filling in a middle, such as %s; this one has none", infillTokens[1][0])
	case c.echo:
		v.fail("is not possible where echo is true")
	case c.params.truncateTo != 0:
		v.fail("is not possible together with truncate_prompt_tokens")
	}
	if err := tooLong(c.model, v.path(), len(text)); err != nil && v.d.err == nil {
		v.d.err = err
		return
	}
	c.suffix, _ = c.model.encodeText(text, false)
}
