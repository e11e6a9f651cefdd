package tokenizer

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// newBert returns the normalizer of BERT.
func newBert(c *component) func(text string) string {
	lowercase := is(c.Lowercase, true)
	accents := !is(c.StripAccents, lowercase)
	clean, chinese := is(c.CleanText, true), is(c.HandleChinese, true)
	decompose := form(norm.NFD)
	return func(text string) string {
		if clean {
			text = strings.Map(cleanRune, text)
		}
		if chinese {
			text = spaceChinese(text)
		}
		if !accents {
			text = strings.Map(withoutAccent, decompose(text))
		}
		if lowercase {
			text = lower(text)
		}
		return text
	}
}

// cleanRune drops controls and makes white space a space.
func cleanRune(r rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return ' '
	case r == unicode.ReplacementChar || inRanges(r, bertControls):
		return -1
	case unicode.IsSpace(r):
		return ' '
	}
	return r
}

// bertControls are the controls, formats and private runes of Unicode 7, which the
// reference knows.
var bertControls = [][2]rune{
	{0, 8}, {0xb, 0xc}, {0xe, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x600, 0x605}, {0x61c, 0x61c}, {0x6dd, 0x6dd}, {0x70f, 0x70f}, {0x180e, 0x180e},
	{0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x2064}, {0x2066, 0x206f}, {0xe000, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0x110bd, 0x110bd},
	{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xf0000, 0xffffd}, {0x100000, 0x10fffd},
}

// spaceChinese puts spaces around each Chinese character.
func spaceChinese(text string) string {
	var out strings.Builder
	for _, r := range text {
		if inRanges(r, chineseRunes) {
			out.WriteString(" " + string(r) + " ")
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

var chineseRunes = [][2]rune{
	{0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x2a6df}, {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f},
}

// withoutAccent drops marks that take no space, those of Unicode 7.
func withoutAccent(r rune) rune {
	if r == 0x1734 || unicode.Is(accents, r) && !isAfterUnicode9(r) && !inRanges(r, accentsAfter7) {
		return -1
	}
	return r
}

var accents = category("Mn")

// accentsAfter7 are those of Unicode 8 and 9.
var accentsAfter7 = [][2]rune{
	{0x8d4, 0x8e1}, {0x1885, 0x1886}, {0x1dfb, 0x1dfb}, {0xa8c5, 0xa8c5}, {0xa9bd, 0xa9bd}, {0x1123e, 0x1123e}, {0x11438, 0x1143f}, {0x11442, 0x11444},
	{0x11446, 0x11446}, {0x11c30, 0x11c36}, {0x11c38, 0x11c3d}, {0x11c3f, 0x11c3f}, {0x11c92, 0x11ca7}, {0x11caa, 0x11cb0}, {0x11cb2, 0x11cb3},
	{0x11cb5, 0x11cb6}, {0x1e000, 0x1e006}, {0x1e008, 0x1e018}, {0x1e01b, 0x1e021}, {0x1e023, 0x1e024}, {0x1e026, 0x1e02a}, {0x1e944, 0x1e94a},
}

// translationRune is the step Nmt: it drops controls and makes white space, and what
// shows nothing, a space.
func translationRune(r rune) rune {
	switch {
	case r >= 1 && r <= 8 || r == 0xb || r >= 0xe && r <= 0x1f || r == 0x7f || r == 0x8f || r == 0x9f:
		return -1
	case r >= 9 && r <= 0xd || r == 0x1680 || r >= 0x200b && r <= 0x200f || r == 0x2028 || r == 0x2029 || r == 0x2581 || r == 0xfeff || r == unicode.ReplacementChar:
		return ' '
	}
	return r
}
