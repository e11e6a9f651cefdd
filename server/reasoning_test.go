package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// splitPieces passes an answer through a splitter in pieces.
func splitPieces(t require.TestingT, begin reasoningState, pieces []string) (reasoning, answer string) {
	s := reasoningSplitter{state: begin}
	for _, piece := range pieces {
		r, a := s.write(piece)
		require.True(t, r == "" || answer == "", "reasoning after the answer")
		reasoning, answer = reasoning+r, answer+a
		require.NotContains(t, reasoning, thinkClose)
	}
	r, a := s.end(false)
	return reasoning + r, answer + a
}

func TestReasoningSplitter(t *testing.T) {
	for _, c := range []struct {
		name              string
		begin             reasoningState
		text              string
		reasoning, answer string
	}{
		{"none", reasonStart, "Hello", "", "Hello"},
		{"white space stays without reasoning", reasonStart, "\n Hello ", "", "\n Hello "},
		{"plain", reasonStart, "<think>\nhm\n</think>\n\nHello", "hm", "Hello"},
		{"white space before", reasonStart, "\n<think>hm</think>Hello", "hm", "Hello"},
		{"empty", reasonStart, "<think>\n</think>\n\nHello", "", "Hello"},
		{"no answer", reasonStart, "<think>hm</think>\n", "hm", ""},
		{"cut off", reasonStart, "<think>hm ", "hm ", ""},
		{"cut off within the tag", reasonStart, "<think>hm</thi", "hm</thi", ""},
		{"cut off within the first tag", reasonStart, "<thi", "", "<thi"},
		{"almost a tag", reasonStart, "<thing>", "", "<thing>"},
		{"tags within", reasonStart, "<think>a < b </thin> c</think>d", "a < b </thin> c", "d"},
		{"a second block is text", reasonStart, "<think>a</think>b<think>c</think>", "a", "b<think>c</think>"},
		{"later is text", reasonStart, "a<think>b</think>", "", "a<think>b</think>"},
		{"opened by the prompt", reasonOpened, "\nhm</think>\nHello", "hm", "Hello"},
		{"closed by the prompt", reasonClosed, "\nHello", "", "Hello"},
		{"continued within", reasonInside, " more</think>x", " more", "x"},
		{"continued after", reasonAnswer, " more</think>x", "", " more</think>x"},
	} {
		for size := range 12 {
			reasoning, answer := splitPieces(t, c.begin, cut(c.text, size))
			require.Equal(t, c.reasoning, reasoning, "%s, pieces of %d", c.name, size)
			require.Equal(t, c.answer, answer, "%s, pieces of %d", c.name, size)
		}
	}
}

// Of an answer that is cut off, no part of a tag is left.
func TestReasoningCutOff(t *testing.T) {
	for text, want := range map[string][2]string{
		"<thi": {}, "\n<": {}, "\n": {"", "\n"}, "<think>hm</thi": {"hm", ""}, "<think>hm\n": {"hm\n", ""}, "<think>hm\n<": {"hm", ""}, "Hello <thi": {"", "Hello <thi"},
	} {
		var s reasoningSplitter
		reasoning, answer := s.write(text)
		moreReasoning, moreAnswer := s.end(true)
		require.Equal(t, want, [2]string{reasoning + moreReasoning, answer + moreAnswer}, "%q", text)
	}
}

func TestWhereAnswersBegin(t *testing.T) {
	require.Equal(t, reasonStart, promptReasoning("<|assistant|>\n"))
	require.Equal(t, reasonOpened, promptReasoning("<|assistant|>\n<think>\n"))
	require.Equal(t, reasonClosed, promptReasoning("<|assistant|>\n<think>\n\n</think>\n\n"))
	require.Equal(t, reasonStart, continuedReasoning(""))
	require.Equal(t, reasonAnswer, continuedReasoning("Hello"))
	require.Equal(t, reasonInside, continuedReasoning("<think>so"))
	require.Equal(t, reasonOpened, continuedReasoning("<think>\n"))
	require.Equal(t, reasonClosed, continuedReasoning("<think>so</think>\n"))
	require.Equal(t, reasonAnswer, continuedReasoning("<think>so</think>\nHello"))
}

func TestReasoningSplitterProperty(t *testing.T) {
	parts := []string{"<think>", "</think>", "<", "/", "th", "ink>", " ", "\n", "a", "\u4f60"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 12).Draw(t, "text"), "")
		begin := reasoningState(rapid.IntRange(int(reasonStart), int(reasonAnswer)).Draw(t, "begin"))
		reasoning, answer := splitPieces(t, begin, []string{text})
		var pieces []string
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		gotReasoning, gotAnswer := splitPieces(t, begin, pieces)
		require.Equal(t, reasoning, gotReasoning)
		require.Equal(t, answer, gotAnswer)
	})
}

func FuzzReasoningSplitter(f *testing.F) {
	f.Add("<think>a</think>b", uint8(3), uint8(0))
	f.Add(" <think>\n\n</think>", uint8(1), uint8(0))
	f.Add("a</think >", uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, text string, size, begin uint8) {
		state := reasoningState(begin % uint8(reasonAnswer+1))
		reasoning, answer := splitPieces(t, state, []string{text})
		gotReasoning, gotAnswer := splitPieces(t, state, cut(text, int(size)))
		require.Equal(t, reasoning, gotReasoning)
		require.Equal(t, answer, gotAnswer)
		// Nothing is lost but tags and white space beside them.
		squeeze := strings.NewReplacer(thinkOpen, "", thinkClose, "", " ", "", "\t", "", "\r", "", "\n", "")
		require.Equal(t, len(squeeze.Replace(text)), len(squeeze.Replace(reasoning+thinkClose+answer)), "%q", text)
	})
}
