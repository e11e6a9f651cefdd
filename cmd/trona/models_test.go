package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSeveralModels serves two models, one of them under two names, and asks
// them at once: each answers as it does alone.
func TestSeveralModels(t *testing.T) {
	tiny := sharedModel(t, "llama-tiny-Q8_0.gguf")
	both := start(t, "--model", "demo=demo", "--model", "org/tiny="+tiny, "--model", "tiny-1.5="+tiny, "--max-model-len", "512")
	alone := map[string]*serving{"demo": start(t, "--max-model-len", "512"), "org/tiny": start(t, tiny, "--max-model-len", "512")}
	require.Equal(t, 2, strings.Count(both.log.String(), "bytes of weights and workspace"))
	body := func(model string) object {
		o := object{"prompt": "One two three", "max_tokens": 40, "temperature": 0, "ignore_eos": true, "return_token_ids": true}
		if model != "" {
			o["model"] = model
		}
		return o
	}
	var users sync.WaitGroup
	answers := map[string]*answer{}
	var mu sync.Mutex
	for _, name := range []string{"", "demo", "org/tiny", "tiny-1_5"} {
		users.Go(func() {
			got := both.ask(t, "/v1/completions", body(name))
			mu.Lock()
			defer mu.Unlock()
			answers[name] = got
		})
	}
	users.Wait()
	for name, as := range map[string]string{"": "demo", "demo": "demo", "org/tiny": "org/tiny", "tiny-1_5": "org/tiny"} {
		want := alone[as].ask(t, "/v1/completions", body(""))
		require.Equal(t, want.Choices[0].TokenIDs, answers[name].Choices[0].TokenIDs, name)
		require.Equal(t, want.Fingerprint, answers[name].Fingerprint)
	}
	easy := body("auto") // the demo model has more weights
	require.Equal(t, "org/tiny", both.ask(t, "/v1/completions", easy).Model)
	easy["prompt"] = "Solve the equation."
	require.Equal(t, "demo", both.ask(t, "/v1/completions", easy).Model)
	status, refused := both.post(t, "/v1/completions", body("none"))
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, refused.Error.Message, `["demo" "org/tiny" "tiny-1.5"]`)
	require.Equal(t, 200, both.get(t, "/v1/models/tiny-1_5"))
	require.Equal(t, 200, both.get(t, "/v1/health/ready"))
	both.signal(t)
	require.Equal(t, exitDone, both.exit(t), both.log)
}

// TestSeveralSpeculate serves three models, for one of which another one guesses:
// all answer as they do alone.
func TestSeveralSpeculate(t *testing.T) {
	tiny, draft := sharedModel(t, "llama-tiny-Q8_0.gguf"), sharedModel(t, "llama-tiny-Q4_0.gguf")
	flags := []string{"--model", "demo=demo", "--model", "tiny=" + tiny, "--model", "small=" + draft, "--max-model-len", "512", "--max-num-seqs", "3"}
	plain, guessed := start(t, flags...), start(t, append(flags, "--speculative-model", draft)...)
	for name, drafts := range map[string]bool{"demo": false, "tiny": true, "small": false} {
		body := object{"model": name, "prompt": "A model guesses what comes next.", "max_tokens": 40, "ignore_eos": true, "temperature": 0, "return_token_ids": true}
		got := guessed.ask(t, "/v1/completions", body)
		require.Equal(t, plain.ask(t, "/v1/completions", body).Choices[0].TokenIDs, got.Choices[0].TokenIDs, name)
		require.Equal(t, drafts, got.Timings.Drafted > 0, name)
	}
}

func TestModelName(t *testing.T) {
	for path, want := range map[string]string{
		"a/nano-Q4_K_M.gguf":                          "nano-Q4_K_M",
		"a/super-00001-of-00003.gguf":                 "super",
		"a/folder/":                                   "folder",
		"models--org--My-8B-v1/snapshots/4d7a":        "org/My-8B-v1",
		"models--org--My-8B-v1/snapshots/4d7a/x.gguf": "x",
		"snapshots/4d7a":                              "4d7a",
	} {
		require.Equal(t, want, modelName(filepath.FromSlash(path)), path)
	}
}

// TestModelFlags: what names models wrongly is refused before anything is loaded.
func TestModelFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no name":        {[]string{"--model", "demo"}, exitUsage, "one model alone is named without --model"},
		"empty name":     {[]string{"--model", "=demo"}, exitUsage, "must be NAME=MODEL"},
		"empty path":     {[]string{"--model", "a="}, exitUsage, "must be NAME=MODEL"},
		"twice":          {[]string{"--model", "a=demo", "--model", "a=other"}, exitUsage, "stands twice"},
		"beside MODEL":   {[]string{"demo", "--model", "a=demo"}, exitUsage, "beside --model"},
		"draft for none": {[]string{"--model", "a=demo", "--model", "b=" + sharedModel(t, "llama-spm-F16.gguf"), "--speculative-model", "demo"}, exitFailed, "none of the models has its vocabulary"},
		"no such model":  {[]string{"--model", "a=demo", "--model", "b=nowhere.gguf"}, exitFailed, `no model "nowhere.gguf"`},
		"served name":    {[]string{"serve", "--model", "a=demo", "--served-model-name", "b"}, exitUsage, "--served-model-name"},
		"too much":       {[]string{"serve", "--port", "0", "--model", "a=demo", "--model", "b=demo", "--kv-cache-memory", "1000TiB"}, exitFailed, "lower --kv-cache-memory"},
		"one path twice": {[]string{"plan", "--model", "a=demo", "--model", "b=demo", "--json"}, exitDone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			commands := [][]string{{"plan"}, {"serve", "--port", "0"}}
			if c.args[0] == "serve" || c.args[0] == "plan" {
				commands, c.args = [][]string{c.args[:1]}, c.args[1:]
			}
			for _, command := range commands {
				r := trona(t, "", append(command, c.args...)...)
				require.Equal(t, c.code, r.code, r.err)
				require.Contains(t, r.err, c.want)
			}
		})
	}
}
