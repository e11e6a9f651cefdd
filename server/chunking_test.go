package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/engine"
)

// mumbles makes an engine whose answer is a text that follows from the seed of
// a request, cut into tokens at places that follow from its priority.
func mumbles(t testing.TB) *fakeEngine {
	tok := testTokenizer(t)
	eot, _ := tok.ID("<|eot_id|>")
	var longer []int32 // tokens of more than one byte
	for id := range int32(tok.VocabSize()) {
		if len(tok.TokenBytes(id)) > 1 && !tok.IsSpecial(id) {
			longer = append(longer, id)
		}
	}
	return &fakeEngine{answer: func(r engine.Request) []int32 {
		text := mumble(rand.New(rand.NewPCG(r.Sampling.Seed, 1)))
		cuts := rand.New(rand.NewPCG(uint64(r.Priority), 2))
		var ids []int32
		for len(text) > 0 {
			id := int32(text[0]) // the ids of bytes are their values
			for _, other := range longer {
				if strings.HasPrefix(text, string(tok.TokenBytes(other))) && cuts.IntN(2) == 0 {
					id = other
				}
			}
			ids, text = append(ids, id), text[len(tok.TokenBytes(id)):]
		}
		return append(ids, eot)
	}}
}

// mumble makes an answer: perhaps with reasoning, perhaps with calls, perhaps
// with what almost is either.
func mumble(rng *rand.Rand) string {
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	text := pick("", "", "<think>\nhm in\u4f60\n</think>\n\n", " <think>a</think>", "<think></think>", "<think>\nend the", "<thi", "</think>", "<think>\n\n a</thin </think>")
	for range rng.IntN(4) {
		text += pick("the end", " a ", "in", "\u4f60\u597d", "\U0001f600", "<", "</", "k>", "\n", "x")
	}
	switch rng.IntN(3) {
	case 0:
		text += babble(rng)
	case 1:
		answer := toolAnswers[rng.IntN(len(toolAnswers))]
		for answer.form != "nemotron" {
			answer = toolAnswers[rng.IntN(len(toolAnswers))]
		}
		text += answer.answer
	}
	return text
}

// The tools that half of the requests have.
const chunkingTools = `,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]`

// told is what a client learns of one choice; a stream adds it up.
type told struct {
	Text, Reasoning, Finish string
	Stop                    any
	Calls                   [][2]string // name, arguments
	Logprobs                []chatLogprob
	IDs                     []int32
}

func (c *told) add(text *string, reasoning string, calls []callPart, logprobs *chatLogprobs, ids []int32) {
	if text != nil {
		c.Text += *text
	}
	c.Reasoning += reasoning
	for _, call := range calls {
		if call.Function.Name != "" {
			c.Calls = append(c.Calls, [2]string{call.Function.Name, ""})
		}
		c.Calls[len(c.Calls)-1][1] += call.Function.Arguments
	}
	if logprobs != nil {
		c.Logprobs = append(c.Logprobs, logprobs.Content...)
	}
	c.IDs = append(c.IDs, ids...)
}

// answered is what a client learns of a request.
type answered struct {
	choices []told
	usage   usage
	timings timings
}

// askWhole asks in one piece.
func askWhole(t *testing.T, s *Server, request string, n int) answered {
	var got chatResponse
	require.NoError(t, json.Unmarshal(fast(s, request+"}"), &got), "%s", request)
	require.Len(t, got.Choices, n, "%s", request)
	all := answered{usage: got.Usage, timings: got.Timings}
	for _, c := range got.Choices {
		one := told{Finish: c.FinishReason, Stop: c.StopReason}
		one.add(c.Message.Content, c.Message.ReasoningContent, c.Message.ToolCalls, c.Logprobs, c.TokenIDs)
		all.choices = append(all.choices, one)
	}
	return all
}

// askStream asks for the same as a stream.
func askStream(t *testing.T, s *Server, request string, n int) answered {
	all := answered{choices: make([]told, n)}
	body := fast(s, request+`,"stream":true,"stream_options":{"include_usage":true}}`)
	lines := bytes.Split(body, []byte("\n\n"))
	require.Equal(t, "data: [DONE]", string(lines[len(lines)-2]), "%s", request)
	for _, line := range lines[:len(lines)-2] {
		chunk := struct {
			chatChunk
			Usage *usage `json:"usage"`
		}{}
		require.NoError(t, json.Unmarshal(bytes.TrimPrefix(line, []byte("data: ")), &chunk), "%s", line)
		for _, c := range chunk.Choices {
			to := &all.choices[c.Index]
			require.Empty(t, to.Finish, "a chunk after the end: %s", request)
			to.add(c.Delta.Content, c.Delta.ReasoningContent, c.Delta.ToolCalls, c.Logprobs, c.TokenIDs)
			if c.FinishReason != nil {
				to.Finish, to.Stop = *c.FinishReason, c.StopReason
			}
		}
		if chunk.Usage != nil {
			all.usage, all.timings = *chunk.Usage, *chunk.Timings
		}
	}
	return all
}

// fast returns the body of an answer.
func fast(s *Server, request string) []byte {
	r := httptest.NewRequest("POST", chatPath, strings.NewReader(request))
	r.Host = "localhost"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Body.Bytes()
}

// chunkingOptions change what becomes of an answer. How the text is cut into
// tokens bears on those of the second list.
var chunkingOptions = [2][]string{{
	`"stop":["a","\u4f60","<","th"]`, `"stop":["end the","in"]`, `"include_stop_str_in_output":true`, `"reasoning_format":"none"`, `"include_reasoning":false`,
	`"parallel_tool_calls":false`, `"ignore_eos":true`,
	`"logprobs":true,"top_logprobs":1`, `"return_token_ids":true`,
}, {
	`"max_tokens":3`, `"max_tokens":20`, `"min_tokens":2`, `"stop_token_ids":[101,120]`, `"thinking_token_budget":2`,
}}

// A stream, however the answer falls into pieces, adds up to what the same
// request says in one: text, reasoning, calls, log probabilities, tokens, usage.
// And where the text is cut makes no difference to what it means.
func TestStreamsAtAnyChunking(t *testing.T) {
	cases := 10_000
	if testing.Short() {
		cases = 500
	}
	s := newServer(t, mumbles(t))
	rng := rand.New(rand.NewPCG(5, 10_000))
	seen := map[string]int{}
	for i := range cases {
		n := 1 + rng.IntN(4)/3
		fields := fmt.Sprintf(`{%s,"seed":%d,"n":%d`, hello, rng.IntN(1<<30), n)
		if i%2 == 0 {
			fields += chunkingTools
		}
		used := 0
		for kind, options := range chunkingOptions {
			for _, option := range options {
				if name, _, _ := strings.Cut(option, ":"); rng.IntN(5+5*kind) == 0 && !strings.Contains(fields, name+":") {
					fields += "," + option
					used += kind
				}
			}
		}
		request := fmt.Sprintf(`%s,"priority":%d`, fields, rng.IntN(1<<20))
		whole := askWhole(t, s, request, n)
		require.Equal(t, whole, askStream(t, s, request, n), "%s", request)
		if used == 0 && (i%8 == 0 || i%8 == 5) { // with and without tools
			other := askStream(t, s, fmt.Sprintf(`%s,"priority":%d`, fields, rng.IntN(1<<20)), n)
			for k, c := range whole.choices {
				c.Logprobs, c.IDs, other.choices[k].Logprobs, other.choices[k].IDs = nil, nil, nil, nil
				require.Equal(t, c, other.choices[k], "%s", request)
			}
			seen["cuts"]++
		}
		for _, c := range whole.choices {
			seen[c.Finish]++
			for what, there := range map[string]bool{"reasoning": c.Reasoning != "", "text": c.Text != "", "calls": len(c.Calls) > 0, "stop string": c.Stop != nil} {
				if there {
					seen[what]++
				}
			}
		}
	}
	t.Log(seen)
	for _, what := range []string{"stop", "length", "tool_calls", "reasoning", "text", "calls", "stop string", "cuts"} {
		require.Greater(t, seen[what], cases/50, what)
	}
}
