package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/golden"
	"trona/testdata"
)

// sharedModel returns the path of a checkpoint with known answers.
func sharedModel(t *testing.T, name string) string {
	return filepath.Join(testdata.Shared(t, "models"), filepath.FromSlash(name))
}

// TestGreedyTokens asks `trona serve` for the greedy tokens of checkpoints in
// several formats. The cache has 16 bits, so a token counts as long as no
// choice before it was closer than that can decide; products are exact, since
// model's own tests bound what 8 bits lose.
func TestGreedyTokens(t *testing.T) {
	t.Setenv("TRONA_CPU", "exact")
	for file, name := range map[string]string{
		"llama-tiny": "llama-tiny", "llama-tied-F32.gguf": "llama-tied", "llama-spm-F16.gguf": "llama-spm",
		"nas-super": "nas-super", "nas-super-Q8_0-00001-of-00003.gguf": "nas-super-Q8_0", "nas-ultra-Q4_K_M.gguf": "nas-ultra-Q4_K_M",
		"llama-tiny-fp8-block": "llama-tiny-fp8-block", "nas-super-nvfp4": "nas-super-nvfp4",
	} {
		t.Run(file, func(t *testing.T) {
			want := golden.Read(t, name)
			s := start(t, sharedModel(t, file), "--max-num-seqs", "4")
			compared := 0
			for _, p := range want.Prompts {
				if len(p.Tokens) > 2100 || len(p.Tokens) > 200 && testing.Short() {
					continue
				}
				got := s.ask(t, "/v1/completions", object{
					"prompt": p.Tokens, "max_tokens": len(p.Greedy), "temperature": 0, "ignore_eos": true, "return_token_ids": true,
				}).Choices[0]
				require.Equal(t, p.Tokens, got.PromptTokenIDs)
				require.Len(t, got.TokenIDs, len(p.Greedy))
				tolerance := max(p.TolF16KV, 0.04) // the largest of all checkpoints, where it was not measured
				for i, id := range p.Greedy {
					if p.Margins[i] <= 2*tolerance {
						break
					}
					require.Equal(t, id, got.TokenIDs[i], "prompt of %d tokens, greedy token %d", len(p.Tokens), i)
					compared++
				}
			}
			require.Greater(t, compared, 24)
		})
	}
}

// TestDemoGoldens asks `trona serve` with no model for the known outputs: by
// token ids, and by messages through the chat template.
func TestDemoGoldens(t *testing.T) {
	answers := golden.Demo(t)
	if testing.Short() {
		answers = answers[:10]
	}
	s := start(t, "--max-model-len", "2048")
	for _, g := range answers {
		got := s.ask(t, "/v1/completions", object{
			"prompt": g.PromptIDs, "max_tokens": len(g.OutputIDs) + 1, "temperature": 0, "return_token_ids": true,
		}).Choices[0]
		require.Equal(t, g.OutputIDs, got.TokenIDs[:len(g.OutputIDs)], "%s", g.Prompt)
		require.Equal(t, g.Text, got.Text)
		require.Equal(t, g.Finished, got.Finish == "stop")

		chat := object{
			"messages": g.Messages, "tools": g.Tools, "max_tokens": len(g.OutputIDs) + 1, "temperature": 0, "return_token_ids": true,
		}
		prompt := s.ask(t, "/v1/chat/completions/render", chat)
		require.Equal(t, g.Prompt, prompt.Prompt)
		require.Equal(t, g.PromptIDs, prompt.PromptTokenIDs)
		answer := s.ask(t, "/v1/chat/completions", chat)
		require.Equal(t, g.PromptIDs, answer.PromptTokenIDs)
		require.Equal(t, g.OutputIDs, answer.Choices[0].TokenIDs[:len(g.OutputIDs)], "%s", g.Prompt)
	}
}

// TestThousandStreams asks for a thousand streams at once, of a KV cache that
// holds few of them: every one brings the known tokens, so none is lost,
// doubled or out of order.
func TestThousandStreams(t *testing.T) {
	const tokens = 24
	streams := 1000
	if testing.Short() {
		streams = 100
	}
	answers := golden.Demo(t)
	s := start(t, "--max-model-len", "1024", "--max-num-seqs", "256", "--kv-cache-memory", "64MiB")
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0}}
	var all sync.WaitGroup
	errs := make(chan error, streams)
	connecting := make(chan struct{}, 50) // few, for who connects has 5 s to send a header
	for i := range streams {
		g := answers[i%len(answers)]
		all.Go(func() {
			connecting <- struct{}{}
			sent := sync.OnceFunc(func() { <-connecting })
			defer sent()
			trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }}
			if err := s.compare(httptrace.WithClientTrace(t.Context(), trace), client, &g, min(tokens, len(g.OutputIDs))); err != nil {
				errs <- fmt.Errorf("stream %d: %w", i, err)
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	if peak := s.peakMemory(); peak > 0 {
		t.Logf("peak memory: %s", human(peak))
		require.Less(t, peak, int64(256<<20))
	}
	s.signal(t)
	require.Equal(t, exitDone, s.exit(t), s.log)
}

// peakMemory returns the most memory that the server had; 0 where the system
// does not say.
func (s *serving) peakMemory() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	peak := int64(0)
	if _, err := fmt.Sscan(rest, &peak); err != nil {
		return 0
	}
	return peak << 10
}

// compare streams the first n tokens of a known output.
func (s *serving) compare(ctx context.Context, client *http.Client, g *golden.Answer, n int) error {
	body, err := json.Marshal(object{
		"prompt": g.PromptIDs, "max_tokens": n, "temperature": 0, "stream": true, "return_token_ids": true,
	})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	got, err := readStream(response.Body, func(int) {})
	if err != nil {
		return err
	}
	if !got.done || got.finish != "length" || got.problem != "" {
		return fmt.Errorf("it ended with %+v", got)
	}
	if fmt.Sprint(got.ids) != fmt.Sprint(g.OutputIDs[:n]) {
		return fmt.Errorf("got %v, want %v", got.ids, g.OutputIDs[:n])
	}
	return nil
}
