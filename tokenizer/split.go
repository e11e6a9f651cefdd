package tokenizer

import "unicode/utf8"

// splitter cuts text into the words within which BPE merges. The zero value is
// GPT-2's expression,
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// with digits = 3 it is that of Llama 3,
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// and with steps, or cutters, it is these.
type splitter struct {
	digits  int  // Llama 3: most numbers in a word; 0: GPT-2's expression
	isolate bool // every number is cut out before the expression sees the text
	steps   *steps
	general *cutters
}

var (
	splitGPT2    = splitter{}
	splitLlama3  = splitter{digits: 3}
	splitQwen2   = splitter{digits: 1}
	splitNumbers = splitter{isolate: true}
)

// expressions are the spellings under which checkpoints carry the splitters that
// have loops of their own.
var expressions = map[string]splitter{
	llama3Words: splitLlama3,
	qwen2Words:  splitQwen2,

	// The possessive spelling of cl100k; a run's last line end is found either way.
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`: splitLlama3,

	gpt2Words: splitGPT2,
	`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: splitGPT2,
}

// part returns the length of the first part of s, len(s) > 0, in which next
// finds words; what follows the part is invisible to the expression.
func (p splitter) part(s string) int {
	if !p.isolate {
		return len(s)
	}
	for i := 0; i < len(s); {
		c, n := classAt(s, i)
		if c == number {
			if i == 0 {
				return n
			}
			return i
		}
		i += n
	}
	return len(s)
}

// each calls yield with the words of a text; first says that the input begins with it.
func (p splitter) each(text string, first bool, yield func(word string)) {
	switch {
	case p.general != nil:
		p.general.each(part{text, first}, yield)
		return
	case p.steps != nil:
		p.steps.each(text, yield)
		return
	}
	for len(text) > 0 {
		part := text[:p.part(text)]
		text = text[len(part):]
		for i := 0; i < len(part); {
			end := p.next(part, i)
			yield(part[i:end])
			i = end
		}
	}
}

// next returns the end of the word that starts at s[i].
func (p splitter) next(s string, i int) int {
	if s[i] == '\'' {
		if end := contraction(s, i+1, p.digits > 0); end > 0 {
			return end
		}
	}
	if p.digits > 0 {
		return p.nextLlama3(s, i)
	}
	return nextGPT2(s, i)
}

func (p splitter) nextLlama3(s string, i int) int {
	c, n := classAt(s, i)
	end := i + n
	switch {
	case c == letter:
		return skipClass(s, end, letter)
	case c == number:
		return skipNumbers(s, end, p.digits-1)
	case end < len(s) && !isLineEnd(s[i]):
		following, n := classAt(s, end)
		if following == letter {
			return skipClass(s, end+n, letter)
		}
		if following == other && s[i] == ' ' {
			return skipLineEnds(s, skipClass(s, end+n, other))
		}
	}
	if c == other {
		return skipLineEnds(s, skipClass(s, end, other))
	}
	return skipSpace(s, i, true)
}

func nextGPT2(s string, i int) int {
	c, n := classAt(s, i)
	end := i + n
	if s[i] == ' ' && end < len(s) {
		if following, n := classAt(s, end); following != space {
			return skipClass(s, end+n, following)
		}
	}
	if c == space {
		return skipSpace(s, i, false)
	}
	return skipClass(s, end, c)
}

// contraction returns the end of 's, 't, 're, 've, 'm, 'll or 'd, the
// apostrophe being before i, or 0. U+017F is the one rune that folds to one of
// these letters.
func contraction(s string, i int, fold bool) int {
	const longS = "\u017f"
	if i >= len(s) {
		return 0
	}
	var folded byte
	if fold {
		folded = 'a' - 'A'
	}
	second := byte(0)
	switch s[i] | folded {
	case 's', 't', 'm', 'd':
		return i + 1
	case 'r', 'v':
		second = 'e'
	case 'l':
		second = 'l'
	default:
		if fold && i+len(longS) <= len(s) && s[i:i+len(longS)] == longS {
			return i + len(longS)
		}
		return 0
	}
	if i+1 < len(s) && s[i+1]|folded == second {
		return i + 2
	}
	return 0
}

// skipSpace returns the end of the word that white space at i makes: up to the
// last line end of the run where lines count, else the run without its last
// rune, which goes with what follows, else the run.
func skipSpace(s string, i int, lines bool) int {
	end, last, lineEnd := i, i, 0
	for end < len(s) {
		c, n := classAt(s, end)
		if c != space {
			break
		}
		last = end
		end += n
		if isLineEnd(s[last]) {
			lineEnd = end
		}
	}
	if lines && lineEnd > 0 {
		return lineEnd
	}
	if end == len(s) || last == i {
		return end
	}
	return last
}

func skipNumbers(s string, i, most int) int {
	for ; most > 0 && i < len(s); most-- {
		c, n := classAt(s, i)
		if c != number {
			break
		}
		i += n
	}
	return i
}

func skipLineEnds(s string, i int) int {
	for i < len(s) && isLineEnd(s[i]) {
		i++
	}
	return i
}

func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }

// skipClass returns the end of the run of runes of class c that goes on at i.
func skipClass(s string, i int, c class) int {
	for i < len(s) {
		if s[i] < utf8.RuneSelf {
			if asciiClass[s[i]] != c {
				break
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if classOf(r) != c {
			break
		}
		i += n
	}
	return i
}
