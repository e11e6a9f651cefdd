package tokenizer

import (
	"fmt"
	"slices"

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
	Content string   `json:"content"` // Replace, Strip of a decoder

	Charsmap []byte `json:"precompiled_charsmap"` // Precompiled

	StripLeft  bool `json:"strip_left"` // Strip of a normalizer
	StripRight bool `json:"strip_right"`

	CleanText     *bool `json:"clean_text"` // BertNormalizer
	HandleChinese *bool `json:"handle_chinese_chars"`
	StripAccents  *bool `json:"strip_accents"`
	Lowercase     *bool `json:"lowercase"`

	Delimiter string `json:"delimiter"` // CharDelimiterSplit
	Length    *int   `json:"length"`    // FixedLength

	Behavior         string `json:"behavior"` // Split, Punctuation
	Invert           bool   `json:"invert"`
	IndividualDigits bool   `json:"individual_digits"` // Digits

	AddPrefixSpace *bool `json:"add_prefix_space"` // ByteLevel, Metaspace
	TrimOffsets    bool  `json:"trim_offsets"`     // about offsets, which are not reported
	UseRegex       *bool `json:"use_regex"`        // ByteLevel

	Replacement   string  `json:"replacement"` // Metaspace
	StrRep        string  `json:"str_rep"`     // an old name of the same
	PrependScheme *string `json:"prepend_scheme"`
	Split         *bool   `json:"split"`

	Prefix  string `json:"prefix"`  // WordPiece
	Cleanup *bool  `json:"cleanup"` // WordPiece, CTC

	Suffix string `json:"suffix"` // BPEDecoder

	PadToken      string `json:"pad_token"` // CTC
	WordDelimiter string `json:"word_delimiter_token"`

	Sep *pairID `json:"sep"` // BertProcessing, RobertaProcessing
	Cls *pairID `json:"cls"`

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

// pairID is the id in [text, id].
type pairID int32

// UnmarshalJSON reads the pair.
func (p *pairID) UnmarshalJSON(data []byte) error {
	var pair [2]jsontext.Value
	if err := unmarshal(data, &pair); err != nil {
		return err
	}
	return unmarshal(pair[1], (*int32)(p))
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
	model     *modelEntry
	metaspace bool     // the pre-tokenizer has a Metaspace
	cuts      []string // expressions of the steps that cut text so far
	cutters   []func() (cutter, error)
	general   bool // cuts do not say all that the steps do
}

// is reports whether a flag is set, with what it is when absent.
func is(flag *bool, absent bool) bool {
	if flag == nil {
		return absent
	}
	return *flag
}

// flatten returns the steps of a component, itself or those of its lists, and where
// they stand.
func flatten(path string, c *component) (steps []component, paths []string, err error) {
	if c.Type != "Sequence" {
		return []component{*c}, []string{path}, c.check(path)
	}
	for _, list := range []struct {
		name  string
		steps []component
	}{{"normalizers", c.Normalizers}, {"pretokenizers", c.PreTokenizers}, {"processors", c.Processors}, {"decoders", c.Decoders}} {
		for i := range list.steps {
			more, where, err := flatten(fmt.Sprintf("%s.%s[%d]", path, list.name, i), &list.steps[i])
			if err != nil {
				return nil, nil, err
			}
			steps, paths = append(steps, more...), append(paths, where...)
		}
	}
	return steps, paths, c.check(path)
}

// check refuses members that no supported component has.
func (c *component) check(path string) error {
	return refuse(path, c.Unknown)
}

func (c *component) unsupported(path string) error {
	return fmt.Errorf("%s: %s is not supported here", path, c.Type)
}

// maxGrowth bounds how many times as long replacements may make a text.
const maxGrowth = 1 << 12

// readNormalizer reads the steps before the text is cut. What SentencePiece's
// converters write last, a mark before the text and one for each space, the model
// does.
func (p *pipeline) readNormalizer(path string, c *component) error {
	if c == nil {
		return nil
	}
	steps, paths, err := flatten(path, c)
	if err != nil {
		return err
	}
	p.normalizes = len(steps) > 0
	general := len(steps)
	for ; general > 0 && p.charLevel && !p.metaspace; general-- {
		last := &steps[general-1]
		switch {
		case last.Type == "Prepend" && last.Prepend == spaceMark && p.prefix == prefixNever:
			p.prefix = prefixAlways
			continue
		case last.Type == "Replace" && last.Pattern.is(" ") && last.Content == spaceMark && !p.markSpaces:
			p.markSpaces = true
			continue
		}
		break
	}
	growth := 1
	for i := range general {
		n, err := newNormalizer(paths[i], &steps[i])
		if err != nil {
			return err
		}
		if growth *= max(1, n.growth); growth > maxGrowth {
			return fmt.Errorf("%s: with the steps before it texts become too long", paths[i])
		}
		p.normalizers = append(p.normalizers, n)
	}
	return nil
}

// is reports whether a pattern is this plain text.
func (p *pattern) is(text string) bool {
	return p != nil && p.Regex == nil && p.String != nil && *p.String == text
}

// findKind notes of which kind the model is, which its pre-tokenizer says.
func (p *pipeline) findKind(steps []component) {
	p.charLevel = true
	for _, step := range steps {
		p.charLevel = p.charLevel && step.Type != "ByteLevel"
		p.metaspace = p.metaspace || step.Type == "Metaspace"
	}
}

// readSteps reads what comes before the model.
func (p *pipeline) readSteps(normalizer, preTokenizer *component) (err error) {
	var steps []component
	var paths []string
	if preTokenizer != nil {
		if steps, paths, err = flatten("pre_tokenizer", preTokenizer); err != nil {
			return err
		}
	}
	if rest, ok := withoutBytes(normalizer); ok { // the bytes are spelled last, so before words are cut
		normalizer = rest
		steps = append([]component{{Type: "ByteLevel", AddPrefixSpace: new(false), UseRegex: new(false)}}, steps...)
		paths = append([]string{"normalizer"}, paths...)
	}
	p.findKind(steps)
	if err := p.readNormalizer("normalizer", normalizer); err != nil {
		return err
	}
	return p.readPreTokenizer(steps, paths)
}

// withoutBytes returns a normalizer without the ByteLevel that is its last step; false
// where that is none.
func withoutBytes(c *component) (*component, bool) {
	switch {
	case c == nil:
		return nil, false
	case c.Type == "ByteLevel":
		return nil, true
	case c.Type != "Sequence" || len(c.Normalizers) == 0:
		return c, false
	}
	list := slices.Clone(c.Normalizers)
	last, ok := withoutBytes(&list[len(list)-1])
	if list = list[:len(list)-1]; last != nil {
		list = append(list, *last)
	}
	rest := *c
	rest.Normalizers = list
	return &rest, ok
}

// readPreTokenizer reads the steps that cut the text into words.
func (p *pipeline) readPreTokenizer(steps []component, paths []string) error {
	spelled := false // what comes after ByteLevel sees bytes as it spells them
	for i := range steps {
		if i > 0 && steps[i-1].Type == "ByteLevel" {
			spelled = true
			p.add(func() (cutter, error) { return spellBytes, nil })
		}
		if spelled && (steps[i].Type == "ByteLevel" || steps[i].Type == "Metaspace") {
			return fmt.Errorf("%s: %s after ByteLevel is not supported", paths[i], steps[i].Type)
		}
		if err := p.readCut(paths[i], &steps[i]); err != nil {
			return err
		}
	}
	if spelled {
		p.add(func() (cutter, error) { return unspellBytes, nil })
	}
	switch {
	case p.charLevel && len(steps) == 0:
		return nil
	case p.charLevel && len(steps) == 1 && p.metaspace && !p.normalizes:
		p.markSpaces, p.splitMarks = true, is(steps[0].Split, true)
		var err error
		p.prefix, err = steps[0].scheme(paths[0])
		return err
	case !p.charLevel && !p.general:
		var err error
		if p.splitter, err = splitterOf(p.cuts); err != nil {
			return fmt.Errorf("%s: %w", paths[len(paths)-1], err)
		}
		return nil
	}
	all := &cutters{}
	for _, make := range p.cutters {
		c, err := make()
		if err != nil {
			return err
		}
		all.list = append(all.list, c)
	}
	p.splitter = splitter{general: all}
	return nil
}

// readCut reads a step of the pre-tokenizer.
func (p *pipeline) readCut(path string, c *component) error {
	switch c.Type {
	case "Split":
		if c.Pattern == nil || c.Pattern.Regex == nil {
			p.cut(path, "", c.Pattern, c.Behavior, c.Invert)
			return nil
		}
		expression := *c.Pattern.Regex
		_, whole := expressions[expression] // these leave nothing between their matches
		if c.Behavior == "Isolated" && !c.Invert || whole && c.Behavior == "Removed" && c.Invert {
			p.cut(path, expression, c.Pattern, c.Behavior, c.Invert)
			return nil
		}
		p.cut(path, "", c.Pattern, c.Behavior, c.Invert)
	case "Digits":
		expression := numbers
		if c.IndividualDigits {
			expression = everyNumber
		}
		p.isolate(path, expression)
	case "Punctuation":
		if c.Behavior == "" || c.Behavior == "Isolated" {
			p.isolate(path, punctuation)
			return nil
		}
		p.cut(path, "", &pattern{Regex: new(punctuation)}, c.Behavior, false)
	case "Whitespace":
		p.cut(path, "", &pattern{Regex: new(wordsOrSigns)}, "Removed", true)
	case "BertPreTokenizer":
		p.cut(path, "", &pattern{Regex: new(`\s+`)}, "Removed", false)
		p.isolate(path, punctuation)
	case "CharDelimiterSplit":
		p.cut(path, "", &pattern{String: &c.Delimiter}, "Removed", false)
	case "FixedLength":
		n := 5
		if c.Length != nil {
			n = *c.Length
		}
		if n < 1 {
			return fmt.Errorf("%s.length: %d", path, n)
		}
		p.add(func() (cutter, error) { return newFixed(n), nil })
	case "WhitespaceSplit":
		p.cut(path, "", &pattern{Regex: new(`\s+`)}, "Removed", false)
	case "ByteLevel":
		if is(c.AddPrefixSpace, true) {
			p.add(func() (cutter, error) { return prefixSpace, nil })
		}
		if is(c.UseRegex, true) {
			p.isolate(path, gpt2Words)
		}
		p.general = p.general || len(p.cuts) == 0
	case "Metaspace":
		return p.readMetaspace(path, c)
	default:
		return c.unsupported(path)
	}
	return nil
}

// isolate adds the step that cuts out each match of an expression.
func (p *pipeline) isolate(path, expression string) {
	p.cut(path, expression, &pattern{Regex: &expression}, "Isolated", false)
}

// cut adds a Split; expression, unless it is empty, says all that the step does.
func (p *pipeline) cut(path, expression string, at *pattern, behavior string, invert bool) {
	general := p.general
	p.add(func() (cutter, error) { return newSplit(path, at, behavior, invert) })
	if expression != "" {
		p.cuts, p.general = append(p.cuts, expression), general
	}
}

// add adds a step that no expression stands for.
func (p *pipeline) add(make func() (cutter, error)) {
	p.cutters, p.general = append(p.cutters, make), true
}

func (p *pipeline) readMetaspace(path string, c *component) error {
	if c.Replacement != spaceMark {
		return fmt.Errorf("%s.replacement: %.40q is not supported", path, c.Replacement)
	}
	scheme, err := c.scheme(path)
	if err != nil {
		return err
	}
	for i, n := range p.normalizers {
		spaces := n.name == "Precompiled" && i > 0 // those that a step before it put there may be gone
		parts := len(p.cutters) > 0                // several may come from the first character
		if scheme == prefixFirst && (n.moves || spaces || parts) {
			return fmt.Errorf("%s.prepend_scheme: %s after %s is not supported", path, *c.PrependScheme, n.name)
		}
	}
	p.add(func() (cutter, error) { return newMetaspace(scheme, is(c.Split, true)), nil })
	return nil
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
	switch {
	case c == nil:
		p.joiner, p.dropPrefix = &joiner{}, dropJoin
		return nil
	case c.Type == "WordPiece":
		p.joiner, p.dropPrefix = &joiner{within: &c.Prefix, clean: is(c.Cleanup, true)}, dropJoin
		return c.check("decoder")
	case c.Type == "CTC" && p.charLevel:
		p.ctc = &ctc{pad: c.PadToken, delimiter: c.WordDelimiter, clean: is(c.Cleanup, true)}
		return c.check("decoder")
	case c.Type == "BPEDecoder" && p.charLevel && c.Suffix != "":
		p.suffix = c.Suffix
		return c.check("decoder")
	}
	steps, paths, err := flatten("decoder", c)
	if err != nil {
		return err
	}
	var unmarks, fallback, fused bool
	for i, step := range steps {
		switch {
		case step.Type == "ByteLevel" && len(steps) == 1:
			p.unspells = true
			return nil
		case step.Type == "Replace" && step.Pattern.is(spaceMark) && step.Content == " ":
			unmarks = true
		case step.Type == "ByteFallback" && !fused:
			fallback = true
		case step.Type == "Fuse":
			fused = true
		case step.Type == "Strip" && fused && step.Content == " " && step.Start == 1 && step.Stop == 0:
			p.dropPrefix = dropSpace
		case step.Type == "Metaspace" && step.Replacement == spaceMark:
			scheme, err := step.scheme(paths[i])
			if err != nil {
				return err
			}
			if unmarks = true; scheme != prefixNever {
				p.dropPrefix = dropMarks
			}
		default:
			return step.unsupported(paths[i])
		}
	}
	p.unmarks = unmarks
	usual := p.splitter.general == nil && len(p.normalizers) == 0 // so that all marks are known
	if !p.charLevel || usual && p.markSpaces && !unmarks || fallback != p.model.ByteFallback && p.model.spellsBytes() {
		return fmt.Errorf("decoder: does not undo what normalizer, pre_tokenizer and model do")
	}
	return nil
}

// spellsBytes reports whether pieces of the model look like bytes.
func (m *modelEntry) spellsBytes() bool {
	return slices.ContainsFunc(m.Vocab, func(e vocabEntry) bool {
		_, ok := byteToken(e.text)
		return ok
	})
}

func (p *pipeline) readPostProcessor(path string, c *component) error {
	if c == nil {
		return nil
	}
	templates := 0
	steps, paths, err := flatten(path, c)
	if err != nil {
		return err
	}
	for i, step := range steps {
		switch {
		case step.Type == "ByteLevel":
		case (step.Type == "BertProcessing" || step.Type == "RobertaProcessing") && templates == 0:
			templates++
			if step.Cls == nil || step.Sep == nil {
				return fmt.Errorf("%s: has no cls or sep", paths[i])
			}
			p.bos, p.begin, p.addBOS = int32(*step.Cls), []int32{int32(*step.Cls)}, true
			p.eos, p.addEOS = []int32{int32(*step.Sep)}, true
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

// readTemplate reads which tokens go around the text: any before it and at most
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
			case texts == 0:
				p.begin, p.addBOS = append(p.begin, special.IDs[0]), true
			case !p.addEOS:
				p.eos, p.addEOS = []int32{special.IDs[0]}, true
			default:
				return fmt.Errorf("%s: more than one token after the text is not supported", path)
			}
		default:
			return fmt.Errorf("%s: not supported", path)
		}
	}
	if texts != 1 {
		return fmt.Errorf("%s.single: has no text", path)
	}
	if len(p.begin) == 1 {
		p.bos = p.begin[0]
	}
	return nil
}
