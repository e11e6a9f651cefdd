package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The reasoning ends within its budget: at a line end, else soon after, and the
// answer goes on.
func TestThinkingBudget(t *testing.T) {
	long := "<think>\n" + strings.Repeat("abcd\n", 20) + "</think>\n\nSo."
	flat := "<think>" + strings.Repeat("abcd ", 20) + "</think>So."
	for _, c := range []struct {
		said   string
		budget int
		want   string
	}{
		{long, 0, ""}, {flat, 0, ""},
		{long, 10, "abcd\nabcd"}, {flat, 10, "abcd abcd abc"}, // the line end at the beginning counts, and " a" is one token
		{long, 40, strings.Repeat("abcd\n", 8)[:39]}, {flat, 40, strings.Repeat("abcd ", 11)[:54]},
		{long, 1000, strings.Repeat("abcd\n", 20)[:99]}, {"Hello", 0, ""},
	} {
		for _, field := range []string{`"thinking_token_budget":%d`, `"nvext":{"max_thinking_tokens":%d}`} {
			s := newServer(t, says(t, c.said))
			request := fmt.Sprintf(`{%s,`+field, hello, c.budget)
			got := post(t, s, 200, chatPath, request+"}")
			reasoning, _ := get(got, "choices", 0, "message", "reasoning_content").(string)
			require.Equal(t, c.want, reasoning, "%d of %q", c.budget, c.said)
			// Opening and closing tags, white space and the grace come on top.
			require.LessOrEqual(t, get(got, "usage", "completion_tokens_details", "reasoning_tokens"), float64(c.budget+c.budget/10+20))
			w, _ := call(t, s, "POST", chatPath, request+`,"stream":true}`)
			chunks := wholeEvents(t, w.Body.Bytes())
			require.Equal(t, wholeChat(got), joinChat(t, chunks, 1))
		}
	}
	s := newServer(t, says(t, "ok"))
	for fields, param := range map[string]string{
		`"thinking_token_budget":-1`: "thinking_token_budget", `"thinking_token_budget":1,"nvext":{"max_thinking_tokens":1}`: "nvext.max_thinking_tokens",
		`"allowed_token_ids":[]`: "allowed_token_ids", `"allowed_token_ids":[-1]`: "allowed_token_ids[0]", `"bad_words":[""]`: "bad_words[0]",
	} {
		wantsError(t, s, chatPath, `{`+hello+`,`+fields+`}`, param)
	}
	wantsError(t, s, completionPath, `{"prompt":"x","nvext":{"max_thinking_tokens":1}}`, "nvext.max_thinking_tokens")
	wantsError(t, s, completionPath, `{"prompt":"x","thinking_token_budget":1}`, "thinking_token_budget")
}

// Words and tokens can be kept out of an answer.
func TestTokenLimits(t *testing.T) {
	s := newServer(t, says(t, "xxabcxx"))
	text := func(fields string) string {
		return get(post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":7,`+fields+`}`), "choices", 0, "message", "content").(string)
	}
	require.Equal(t, "xxabcxx", text(`"bad_words":["abd"]`))
	require.NotContains(t, text(`"bad_words":["abc","zz"]`), "abc")
	require.Equal(t, "aaaaaaa", text(`"allowed_token_ids":[97]`))
}
