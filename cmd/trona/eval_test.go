package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// evalCase is a line of testdata/demo/eval.
type evalCase struct {
	Messages json.RawMessage `json:"messages"` // in the order of their members
	Tools    json.RawMessage `json:"tools"`
	Thinking bool            `json:"thinking"`
	Digits   int             `json:"digits"` // of the longer number of a sum
	Kind     string          `json:"kind"`   // of a case with tools
	Expect   struct {
		Type   string `json:"type"`
		Answer string `json:"answer"`
		Text   string `json:"text"`
		Calls  any    `json:"calls"`
		Value  any    `json:"value"`
	} `json:"expect"`
	group string
}

const (
	maxEvalTokens = 460
	thinkOpen     = "<think>"
	thinkClose    = "</think>"
)

var evalAll = flag.Bool("eval", false, "measure the demo model on all cases, not on some")

// evalCases reads all cases; a group is named as in results.json: "sums 3 on".
func evalCases(t *testing.T) []*evalCase {
	var cases []*evalCase
	for _, name := range []string{"sums", "tools", "json", "identity"} {
		file, err := os.Open(testdata.Path(t, "demo", "eval", name+".jsonl"))
		require.NoError(t, err)
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			c := &evalCase{group: name}
			require.NoError(t, json.Unmarshal(lines.Bytes(), c))
			if c.Digits > 0 {
				c.group += fmt.Sprintf(" %d", c.Digits)
			}
			if c.Kind != "" {
				c.group += " " + c.Kind
			}
			c.group += map[bool]string{true: " on", false: " off"}[c.Thinking]
			cases = append(cases, c)
		}
		require.NoError(t, lines.Err())
		require.NoError(t, file.Close())
	}
	return cases
}

var wholeNumber = regexp.MustCompile(`-?\d+`)

// right says whether an output is what the case wants.
func (c *evalCase) right(output string) bool {
	body := output
	if c.Thinking {
		i := strings.LastIndex(output, thinkClose)
		if i < 0 || !strings.HasPrefix(output, thinkOpen+"\n") {
			return false
		}
		body = strings.TrimSpace(output[i+len(thinkClose):])
	} else if strings.Contains(output, thinkOpen) {
		return false
	}
	switch c.Expect.Type {
	case "sum":
		numbers := wholeNumber.FindAllString(body, -1)
		return len(numbers) > 0 && numbers[len(numbers)-1] == c.Expect.Answer
	case "tool_calls":
		calls, begins := strings.CutPrefix(body, "<TOOLCALL>")
		calls, ends := strings.CutSuffix(calls, "</TOOLCALL>")
		return begins && ends && jsonEqual(calls, c.Expect.Calls)
	case "json":
		return jsonEqual(body, c.Expect.Value)
	}
	return body == c.Expect.Text
}

func jsonEqual(text string, want any) bool {
	var value any
	return json.Unmarshal([]byte(text), &value) == nil && reflect.DeepEqual(value, want)
}

// score counts the cases of a group that are right, and all of them. Stored it
// is a list of both.
type score struct{ right, all int }

// UnmarshalJSON reads a list.
func (s *score) UnmarshalJSON(text []byte) error {
	var list [2]int
	err := json.Unmarshal(text, &list)
	s.right, s.all = list[0], list[1]
	return err
}

// TestEval measures the demo model, thinking on and off, and compares it with
// results.json: on every fifth case of a group, with -eval on all.
func TestEval(t *testing.T) {
	var want map[string]score
	data, err := os.ReadFile(testdata.Path(t, "demo", "eval", "results.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &want))
	step := 5
	if *evalAll {
		step = 1
	} else if testing.Short() {
		step = 40
	}
	seen := map[string]int{}
	var cases []*evalCase
	for _, c := range evalCases(t) {
		if seen[c.group]%step == 0 {
			cases = append(cases, c)
		}
		seen[c.group]++
	}
	got := measureEval(t, cases, func(s *serving, c *evalCase) bool { return c.right(s.evalOutput(t, c)) })
	sums := map[bool]score{}
	for _, mode := range []string{" on", " off"} {
		var sum score
		expected, variance := 0.0, 0.0
		for _, group := range slices.Sorted(maps.Keys(want)) {
			if !strings.HasSuffix(group, mode) {
				continue
			}
			g, w := got[group], want[group]
			require.Equal(t, w.all, seen[group], group)
			t.Logf("%-18s %3d of %3d right, expected %3d of %3d", group, g.right, g.all, w.right, w.all)
			p := float64(w.right) / float64(w.all)
			expected += p * float64(g.all)
			variance += p * (1 - p) * float64(g.all)
			sum.right, sum.all = sum.right+g.right, sum.all+g.all
			if step == 1 { // all cases: only rounding can differ
				require.InDelta(t, w.right, g.right, math.Max(2, float64(w.all)/12), group)
			}
			if strings.HasPrefix(group, "sums") {
				total := sums[mode == " on"]
				sums[mode == " on"] = score{total.right + g.right, total.all + g.all}
			}
		}
		t.Logf("thinking%s: %d of %d right, expected %.1f", mode, sum.right, sum.all, expected)
		tolerance := 3*math.Sqrt(variance) + 1
		if step == 1 {
			tolerance = 0.02 * float64(sum.all)
		}
		require.GreaterOrEqual(t, float64(sum.right), expected-tolerance, "thinking%s", mode)
	}
	require.Greater(t, sums[true].right, sums[false].right, "what the demo model demonstrates")
}

// TestEvalBudgets measures the sums with reasoning that a budget ends: on some
// of them, with -eval on all.
func TestEvalBudgets(t *testing.T) {
	step := 20
	if *evalAll {
		step = 1
	}
	var cases []*evalCase
	for i, c := range slices.DeleteFunc(evalCases(t), func(c *evalCase) bool { return c.Expect.Type != "sum" || !c.Thinking }) {
		if i%step == 0 {
			cases = append(cases, c)
		}
	}
	total := map[int]score{}
	for _, budget := range []int{0, 16, 64} {
		got := measureEval(t, cases, func(s *serving, c *evalCase) bool {
			a := s.ask(t, "/v1/chat/completions", object{"messages": c.Messages, "max_tokens": maxEvalTokens, "temperature": 0, "thinking_token_budget": budget})
			numbers := wholeNumber.FindAllString(a.Choices[0].Message.Content, -1)
			return len(numbers) > 0 && numbers[len(numbers)-1] == c.Expect.Answer
		})
		var sum score
		for _, group := range slices.Sorted(maps.Keys(got)) {
			g := got[group]
			t.Logf("budget %2d: %-9s %3d of %3d right", budget, group, g.right, g.all)
			sum.right, sum.all = sum.right+g.right, sum.all+g.all
		}
		t.Logf("budget %2d: %d of %d sums right", budget, sum.right, sum.all)
		total[budget] = sum
	}
	require.Greater(t, total[64].right, total[0].right, "reasoning helps, even some of it")
}

// measureEval asks `trona serve` for the answers to all cases, many at a time.
func measureEval(t *testing.T, cases []*evalCase, right func(*serving, *evalCase) bool) map[string]score {
	s := start(t, "--max-model-len", "2048", "--max-num-seqs", "32")
	got := map[string]score{}
	var mu sync.Mutex
	var all sync.WaitGroup
	free := make(chan struct{}, 32)
	for _, c := range cases {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			good := right(s, c)
			mu.Lock()
			defer mu.Unlock()
			sum := got[c.group]
			sum.all++
			if good {
				sum.right++
			}
			got[c.group] = sum
		})
	}
	all.Wait()
	return got
}

// evalOutput returns what the model says, as it says it: from the tokens of
// the conversation's prompt.
func (s *serving) evalOutput(t *testing.T, c *evalCase) string {
	prompt := s.ask(t, "/v1/chat/completions/render", object{"messages": c.Messages, "tools": c.Tools})
	got := s.ask(t, "/v1/completions", object{"prompt": prompt.PromptTokenIDs, "max_tokens": maxEvalTokens, "temperature": 0})
	return got.Choices[0].Text
}
