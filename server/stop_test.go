package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plainStop finds the stop string that ends first, of those the longest.
func plainStop(text string, stops []string) (before, stop string) {
	for end := range len(text) + 1 {
		for _, s := range stops {
			if strings.HasSuffix(text[:end], s) && len(s) > len(stop) {
				before, stop = text[:end-len(s)], s
			}
		}
		if stop != "" {
			return before, stop
		}
	}
	return text, ""
}

// matchPieces passes a text through a matcher in pieces.
func matchPieces(t require.TestingT, stops, pieces []string) (before, stop string) {
	m := stopMatcher{table: newStopTable(stops)}
	whole := ""
	for _, piece := range pieces {
		var text string
		text, stop = m.write(piece)
		before += text
		if stop != "" {
			return before, stop
		}
		whole += piece
		// Only what could still become a stop string is held back.
		held := whole[len(before):]
		fits := held == ""
		for _, s := range stops {
			fits = fits || strings.HasPrefix(s, held) && len(held) < len(s)
		}
		require.True(t, fits, "%q held back of %q", held, whole)
	}
	return before + m.end(), ""
}

func TestStopMatcher(t *testing.T) {
	for _, c := range []struct {
		stops        []string
		pieces       []string
		before, stop string
	}{
		{nil, []string{"a", "b"}, "ab", ""},
		{[]string{"b"}, []string{"abc"}, "a", "b"},
		{[]string{"\n\n"}, []string{"a\n", "\nb"}, "a", "\n\n"},
		{[]string{"abcd", "bc"}, []string{"xabc", "d"}, "xa", "bc"}, // the one that ends first
		{[]string{"bc", "abc"}, []string{"xabc"}, "x", "abc"},       // the longest of those
		{[]string{"aab"}, []string{"aa", "aa", "b"}, "aa", "aab"},
		{[]string{"stop"}, []string{"st", "sto"}, "ststo", ""},
		{[]string{"\u4f60\u597d"}, []string{"a\u4f60", "\u597d!"}, "a", "\u4f60\u597d"},
		{[]string{"\U0001F469\u200D\U0001F4BB"}, []string{"\U0001F469", "\u200D", "\U0001F4BB"}, "", "\U0001F469\u200D\U0001F4BB"},
		{[]string{"e\u0301"}, []string{"\u00e9"}, "\u00e9", ""}, // bytes are compared, nothing is normalized
	} {
		before, stop := matchPieces(t, c.stops, c.pieces)
		require.Equal(t, c.before, before, "%q in %q", c.stops, c.pieces)
		require.Equal(t, c.stop, stop, "%q in %q", c.stops, c.pieces)
	}
}

func TestStopMatcherProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stops := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab\u00e9")), 1, 5, -1), 1, 16).Draw(t, "stops")
		pieces := rapid.SliceOf(rapid.StringOfN(rapid.RuneFrom([]rune("aab\u00e9\u00e8")), 0, 6, -1)).Draw(t, "pieces")
		before, stop := matchPieces(t, stops, pieces)
		wantBefore, wantStop := plainStop(strings.Join(pieces, ""), stops)
		require.Equal(t, wantBefore, before)
		require.Equal(t, wantStop, stop)
	})
}

// The cost does not depend on the number and length of stop strings: each byte
// of text goes at most one node deeper and so back at most once.
func TestStopMatcherIsLinear(t *testing.T) {
	var stops []string
	for n := range maxStops {
		stops = append(stops, strings.Repeat("a", maxStopBytes-n-1)+"b")
	}
	table := newStopTable(stops)
	require.LessOrEqual(t, len(table.nodes), 1+maxStops*maxStopBytes)
	m := stopMatcher{table: table}
	steps := 0
	node := int32(0)
	text := strings.Repeat(strings.Repeat("a", maxStopBytes+7)+"c", 100)
	for i := range len(text) {
		for n := node; n != 0 && table.nodes[n].next[text[i]] == 0; n = table.nodes[n].fail {
			steps++
		}
		node = table.step(node, text[i])
		steps++
	}
	require.LessOrEqual(t, steps, 2*len(text))
	out, stop := m.write(text)
	require.Empty(t, stop)
	require.Equal(t, text, out+m.end())
}

func FuzzStopMatcher(f *testing.F) {
	f.Add("ab\nb", "aabab", uint8(2))
	f.Add("\n\n\nstop", "a\n\nstop", uint8(1))
	f.Add("\u4f60\u597d", "\u4f60\u4f60\u597d", uint8(3))
	f.Fuzz(func(t *testing.T, lines, text string, size uint8) {
		var stops []string
		for stop := range strings.SplitSeq(lines, "\n") {
			if stop != "" && len(stops) < maxStops {
				stops = append(stops, stop)
			}
		}
		before, stop := matchPieces(t, stops, cut(text, int(size)))
		wantBefore, wantStop := plainStop(text, stops)
		require.Equal(t, wantBefore, before)
		require.Equal(t, wantStop, stop)
	})
}

// cut cuts a text into pieces of that many bytes, at least one.
func cut(text string, size int) (pieces []string) {
	for len(text) > 0 {
		n := min(max(size, 1), len(text))
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return pieces
}
