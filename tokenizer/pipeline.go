package tokenizer

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// component is a normalizer, pre-tokenizer, post-processor or decoder of a
// tokenizer.json, with the members of all kinds that are supported.
type component struct {
	Type string `json:"type"`

	Normalizers   []component `json:"normalizers"` // the lists of a Sequence
	PreTokenizers []component `json:"pretokenizers"`
	Processors    []component `json:"processors"`
	Decoders      []component `json:"decoders"`

	Prepend string   `json:"prepend"` // Prepend
	Pattern *pattern `json:"pattern"` // Replace, Split
	Content string   `json:"content"` // Replace, Strip

	Behavior         string `json:"behavior"` // Split
	Invert           bool   `json:"invert"`
	IndividualDigits bool   `json:"individual_digits"` // Digits

	AddPrefixSpace *bool `json:"add_prefix_space"` // ByteLevel, Metaspace
	TrimOffsets    bool  `json:"trim_offsets"`     // about offsets, which are not reported
	UseRegex       *bool `json:"use_regex"`        // ByteLevel

	Replacement   string  `json:"replacement"` // Metaspace
	StrRep        string  `json:"str_rep"`     // an old name of the same
	PrependScheme *string `json:"prepend_scheme"`
	Split         *bool   `json:"split"`

	Start int `json:"start"` // Strip
	Stop  int `json:"stop"`

	Single        []templatePart             `json:"single"` // TemplateProcessing
	Pair          jsontext.Value             `json:"pair"`   // pairs of texts are not encoded here
	SpecialTokens map[string]templateSpecial `json:"special_tokens"`

	Unknown jsontext.Value `json:",embed"`
}

type pattern struct {
	String *string
	Regex  *string
}

// templatePart is a special token or the place of the text.
type templatePart struct {
	SpecialToken *struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	}
	Sequence *struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	}
}

type templateSpecial struct {
	ID     string   `json:"id"`
	IDs    []int32  `json:"ids"`
	Tokens []string `json:"tokens"`
}

// pipeline reads the steps around the model into the source.
type pipeline struct {
	*source
	byteFallback bool     // of the model
	cuts         []string // expressions of the steps that cut text so far
}

// is reports whether a flag is set, with what it is when absent.
func is(flag *bool, absent bool) bool {
	if flag == nil {
		return absent
	}
	return *flag
}

// sequence returns the steps of a component: itself, or its list's.
func sequence(path string, c *component, name string, list []component) ([]component, []string) {
	if c.Type != "Sequence" {
		return []component{*c}, []string{path}
	}
	paths := make([]string, len(list))
	for i := range list {
		paths[i] = fmt.Sprintf("%s.%s[%d]", path, name, i)
	}
	return list, paths
}

// check refuses members that no supported component has.
func (c *component) check(path string) error {
	return refuse(path, c.Unknown)
}

func (c *component) unsupported(path string) error {
	return fmt.Errorf("%s: %s is not supported here", path, c.Type)
}

func (p *pipeline) readNormalizer(path string, c *component) error {
	if c == nil {
		return nil
	}
	steps, paths := sequence(path, c, "normalizers", c.Normalizers)
	for i, step := range steps {
		path := paths[i]
		if err := step.check(path); err != nil {
			return err
		}
		p.normalizes = true
		switch step.Type {
		case "NFC":
			p.nfc = true
		case "Prepend":
			if step.Prepend != spaceMark || p.prefix != prefixNever {
				return fmt.Errorf("%s.prepend: %.40q is not supported", path, step.Prepend)
			}
			p.prefix = prefixAlways
		case "Replace":
			if !step.Pattern.is(" ") || step.Content != spaceMark {
				return fmt.Errorf("%s: only the replacement of spaces by U+2581 is supported", path)
			}
			p.markSpaces = true
		default:
			return step.unsupported(path)
		}
	}
	return nil
}

// is reports whether a pattern is this plain text.
func (p *pattern) is(text string) bool {
	return p != nil && p.Regex == nil && p.String != nil && *p.String == text
}

func (p *pipeline) readPreTokenizer(c *component) error {
	const path = "pre_tokenizer"
	byteLevel := false
	if c != nil {
		steps, paths := sequence(path, c, "pretokenizers", c.PreTokenizers)
		for i, step := range steps {
			if byteLevel {
				return fmt.Errorf("%s: %s after ByteLevel is not supported", paths[i], step.Type)
			}
			if err := step.check(paths[i]); err != nil {
				return err
			}
			if step.Type == "Metaspace" && len(steps) > 1 {
				return fmt.Errorf("%s: Metaspace with other steps is not supported", path)
			}
			if err := p.readSplitter(paths[i], &step); err != nil {
				return err
			}
			byteLevel = step.Type == "ByteLevel"
		}
	}
	p.charLevel = !byteLevel
	switch {
	case p.charLevel && len(p.cuts) > 0:
		return fmt.Errorf("%s: Split, Digits or Punctuation without ByteLevel is not supported", path)
	case p.charLevel && p.nfc:
		return fmt.Errorf("normalizer: NFC without a ByteLevel pre-tokenizer is not supported")
	case !p.charLevel && (p.markSpaces || p.prefix != prefixNever):
		return fmt.Errorf("normalizer: Prepend or Replace with a ByteLevel pre-tokenizer is not supported")
	}
	return nil
}

// readSplitter reads a step of the pre-tokenizer.
func (p *pipeline) readSplitter(path string, c *component) error {
	switch c.Type {
	case "Split":
		if c.Pattern == nil || c.Pattern.Regex == nil {
			return fmt.Errorf("%s.pattern: not a regular expression", path)
		}
		expression := *c.Pattern.Regex
		_, whole := expressions[expression] // these leave nothing between their matches
		if (c.Behavior != "Isolated" || c.Invert) && !(whole && c.Behavior == "Removed" && c.Invert) {
			return fmt.Errorf("%s: the expression %q (%s, invert %t) is not supported", path, expression, c.Behavior, c.Invert)
		}
		p.cuts = append(p.cuts, expression)
	case "Digits":
		if c.IndividualDigits {
			p.cuts = append(p.cuts, everyNumber)
		} else {
			p.cuts = append(p.cuts, numbers)
		}
	case "Punctuation":
		if c.Behavior != "" && c.Behavior != "Isolated" {
			return fmt.Errorf("%s.behavior: %s is not supported", path, c.Behavior)
		}
		p.cuts = append(p.cuts, punctuation)
	case "ByteLevel":
		if is(c.AddPrefixSpace, true) {
			return fmt.Errorf("%s.add_prefix_space: not supported", path)
		}
		if is(c.UseRegex, true) {
			p.cuts = append(p.cuts, gpt2Words)
		}
		if len(p.cuts) == 0 {
			return fmt.Errorf("%s.use_regex: false is not supported without another step", path)
		}
		var err error
		if p.splitter, err = splitterOf(p.cuts); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	case "Metaspace":
		return p.readMetaspace(path, c)
	default:
		return c.unsupported(path)
	}
	return nil
}

func (p *pipeline) readMetaspace(path string, c *component) error {
	if c.Replacement != spaceMark {
		return fmt.Errorf("%s.replacement: %.40q is not supported", path, c.Replacement)
	}
	if p.normalizes {
		return fmt.Errorf("%s: Metaspace after a normalizer is not supported", path)
	}
	p.markSpaces = true
	p.splitMarks = is(c.Split, true)
	var err error
	p.prefix, err = c.scheme(path)
	return err
}

// scheme returns where a Metaspace puts the mark.
func (c *component) scheme(path string) (prefix, error) {
	if c.PrependScheme == nil {
		if is(c.AddPrefixSpace, true) {
			return prefixUnlessMarked, nil
		}
		return prefixNever, nil
	}
	switch *c.PrependScheme {
	case "always":
		return prefixUnlessMarked, nil
	case "first":
		return prefixFirst, nil
	case "never":
		return prefixNever, nil
	}
	return 0, fmt.Errorf("%s.prepend_scheme: %.40q is not known", path, *c.PrependScheme)
}

func (p *pipeline) readDecoder(c *component) error {
	if c == nil {
		return fmt.Errorf("decoder: missing")
	}
	steps, paths := sequence("decoder", c, "decoders", c.Decoders)
	var byteLevel, unmarks, fallback, fused bool
	for i, step := range steps {
		if err := step.check(paths[i]); err != nil {
			return err
		}
		switch {
		case step.Type == "ByteLevel" && len(steps) == 1:
			byteLevel = true
		case step.Type == "Replace" && step.Pattern.is(spaceMark) && step.Content == " ":
			unmarks = true
		case step.Type == "ByteFallback":
			fallback = true
		case step.Type == "Fuse":
			fused = true
		case step.Type == "Strip" && fused && step.Content == " " && step.Start == 1 && step.Stop == 0:
			p.dropPrefix = true
		case step.Type == "Metaspace" && step.Replacement == spaceMark:
			scheme, err := step.scheme(paths[i])
			if err != nil {
				return err
			}
			unmarks, p.dropPrefix = true, scheme != prefixNever
		default:
			return step.unsupported(paths[i])
		}
	}
	if byteLevel == p.charLevel || unmarks != p.markSpaces || p.charLevel && fallback != p.byteFallback {
		return fmt.Errorf("decoder: does not undo what normalizer, pre_tokenizer and model do")
	}
	return nil
}

func (p *pipeline) readPostProcessor(path string, c *component) error {
	if c == nil {
		return nil
	}
	templates := 0
	steps, paths := sequence(path, c, "processors", c.Processors)
	for i, step := range steps {
		if err := step.check(paths[i]); err != nil {
			return err
		}
		switch {
		case step.Type == "ByteLevel":
		case step.Type == "TemplateProcessing" && templates == 0:
			templates++
			if err := p.readTemplate(paths[i], &step); err != nil {
				return err
			}
		default:
			return step.unsupported(paths[i])
		}
	}
	return nil
}

// readTemplate reads which tokens go around the text: at most one before and
// one after it.
func (p *pipeline) readTemplate(path string, c *component) error {
	texts := 0
	for i, part := range c.Single {
		path := fmt.Sprintf("%s.single[%d]", path, i)
		switch {
		case part.Sequence != nil && part.SpecialToken == nil && part.Sequence.ID == "A" && texts == 0:
			texts++
		case part.SpecialToken != nil && part.Sequence == nil:
			special, ok := c.SpecialTokens[part.SpecialToken.ID]
			if !ok || len(special.IDs) != 1 {
				return fmt.Errorf("%s: %.40q is not one token", path, part.SpecialToken.ID)
			}
			switch {
			case texts == 0 && !p.addBOS:
				p.bos, p.addBOS = special.IDs[0], true
			case texts == 1 && !p.addEOS:
				p.eos, p.addEOS = []int32{special.IDs[0]}, true
			default:
				return fmt.Errorf("%s: more than one token before or after the text is not supported", path)
			}
		default:
			return fmt.Errorf("%s: not supported", path)
		}
	}
	if texts != 1 {
		return fmt.Errorf("%s.single: has no text", path)
	}
	return nil
}
