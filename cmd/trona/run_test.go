package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/golden"
)

// TestRunGolden answers one prompt as the goldens do: from the command line and
// from a pipe.
func TestRunGolden(t *testing.T) {
	checked := 0
	for _, g := range golden.Demo(t) {
		var messages []chatMessage
		require.NoError(t, json.Unmarshal(g.Messages, &messages))
		if len(messages) != 2 || messages[0].Role != "system" || string(g.Tools) != "null" || !g.Finished || checked == 3 {
			continue
		}
		checked++
		question := messages[1].Content
		flags := []string{"run", "--temperature", "0", "--max-model-len", "2048", "--system", messages[0].Content, "demo"}
		want := g.Text
		if _, answer, found := strings.Cut(want, thinkClose); found {
			want = strings.TrimSpace(answer)
		}
		r := trona(t, "", append(flags, question)...)
		require.Equal(t, exitDone, r.code, r.err)
		require.Equal(t, want+"\n", r.out)
		require.Contains(t, r.err, "tokens/s")
		require.NotContains(t, r.err, "\x1b")
		require.Equal(t, want+"\n", ok(t, question+"\n", flags...))
		require.Equal(t, want+"\n", ok(t, question+"\n", append(flags, "-")...))
	}
	require.Positive(t, checked)
}

func TestRunThink(t *testing.T) {
	flags := []string{"run", "--temperature", "0", "--max-model-len", "2048"}
	on := trona(t, "What is 12 + 30?", append(flags, "--think", "on")...)
	off := trona(t, "What is 12 + 30?", append(flags, "--think", "off")...)
	require.Equal(t, exitDone, on.code, on.err)
	require.Equal(t, exitDone, off.code, off.err)
	require.Greater(t, strings.Count(on.err, "\n"), 1, "the reasoning stands before the speed")
	require.Equal(t, 1, strings.Count(off.err, "\n"), off.err)
	require.NotContains(t, on.out, "think>")
}

func TestRunErrors(t *testing.T) {
	for name, test := range map[string]struct {
		input string
		args  []string
		code  int
		want  string
	}{
		"no prompt":        {" \n", nil, exitUsage, "there is no prompt"},
		"endless":          {strings.Repeat("x", maxPromptBytes+1), nil, exitFailed, "the prompt on stdin has more than 8.0 MiB"},
		"temperature":      {"x", []string{"--temperature", "3"}, exitUsage, "--temperature"},
		"max tokens":       {"x", []string{"--max-tokens=-1"}, exitUsage, "--max-tokens"},
		"no such model":    {"x", []string{"absent.gguf"}, exitFailed, "absent.gguf"},
		"prompt too long":  {strings.Repeat("word ", 3000), []string{"--max-model-len", "1024"}, exitFailed, "the prompt has 8,999 tokens, the context of demo 1,024"},
		"prompt just fits": {strings.Repeat("word ", 341), []string{"--max-model-len", "1024"}, exitFailed, "1024"},
		"longer than ever": {"x", []string{"--max-model-len", "1000000"}, exitFailed, "the model declares 131072"},
	} {
		t.Run(name, func(t *testing.T) {
			r := trona(t, test.input, append([]string{"run"}, test.args...)...)
			require.Equal(t, test.code, r.code, r.err)
			require.Empty(t, r.out)
			require.Contains(t, r.err, test.want)
			require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
		})
	}
	r := trona(t, "x", "run", sharedModel(t, "llama-spm-F16.gguf"))
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "chat template")
}

// TestRunLimit cuts an answer off.
func TestRunLimit(t *testing.T) {
	r := trona(t, "", "run", "demo", "Count from 1 to 50.", "--think", "off", "--max-tokens", "3")
	require.Equal(t, exitDone, r.code, r.err)
	require.Contains(t, r.err, "the limit of tokens is reached")
	require.Contains(t, r.err, "[3 tokens, ")
}
