package server

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/engine"
)

// A thousand streams at once each get their own tokens, all of them, once, in
// order; and what they held is free afterwards.
func TestThousandStreams(t *testing.T) {
	synctest.Test(t, thousandStreams) // no time limit is for a machine that is slow
}

func thousandStreams(t *testing.T) {
	const tokens = 30
	streams := 1000
	if testing.Short() {
		streams = 200
	}
	e := says(t, "")
	s := newServer(t, e)
	m := s.loaded()[0]
	ends := m.EOS[0]
	e.answer = func(r engine.Request) []int32 {
		ids := make([]int32, tokens, tokens+1)
		for i := range ids {
			ids[i] = expected(r.Sampling.Seed, i)
		}
		return append(ids, ends)
	}
	s.http.Handler = documents().Handler(t, s)
	client := client(dial(t, s))
	require.NoError(t, readStream(client, 0, tokens)) // what is made once is there
	before := heap()
	together := newBarrier(streams)
	e.started = together.wait
	failures := make([]error, streams)
	var wait sync.WaitGroup
	for i := range streams {
		wait.Go(func() { failures[i] = readStream(client, uint64(i), tokens) })
	}
	wait.Wait()
	for _, err := range failures {
		require.NoError(t, err)
	}
	require.Zero(t, e.Stats().Running)
	require.NoError(t, s.Shutdown(context.Background()))
	client.CloseIdleConnections()
	synctest.Wait()
	heap() // pools forget at the second collection
	require.Less(t, heap()-before, int64(32<<20))
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// expected is token i of the answer to a seed: the letters a to z.
func expected(seed uint64, i int) int32 { return int32('a' + (seed*7+uint64(i)*uint64(1+seed%5))%26) }

// readStream asks for one stream and compares its tokens and text.
func readStream(client *http.Client, seed uint64, tokens int) error {
	body := fmt.Sprintf(`{%s,"seed":%d,"stream":true,"return_token_ids":true,"stream_options":{"include_usage":true}}`, hello, seed)
	response, err := client.Post("http://localhost"+chatPath, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var ids []int32
	var text strings.Builder
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return compare(seed, tokens, ids, text.String())
		}
		var chunk chatChunk
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return err
		}
		for _, choice := range chunk.Choices {
			ids = append(ids, choice.TokenIDs...)
			if choice.Delta.Content != nil {
				text.WriteString(*choice.Delta.Content)
			}
		}
	}
	return fmt.Errorf("stream %d of status %s ended early: %w", seed, response.Status, lines.Err())
}

func compare(seed uint64, tokens int, ids []int32, text string) error {
	want := make([]int32, tokens)
	var letters strings.Builder
	for i := range want {
		want[i] = expected(seed, i)
		letters.WriteByte(byte(want[i]))
	}
	if len(ids) == 0 || !slices.Equal(want, ids[:len(ids)-1]) || text != letters.String() {
		return fmt.Errorf("stream %s: %v, %q", strconv.FormatUint(seed, 10), ids, text)
	}
	return nil
}

// barrier lets nobody go on before all came.
type barrier struct {
	mu   sync.Mutex
	left int
	open chan struct{}
}

func newBarrier(n int) *barrier { return &barrier{left: n, open: make(chan struct{})} }

func (b *barrier) wait() {
	b.mu.Lock()
	if b.left--; b.left == 0 {
		close(b.open)
	}
	b.mu.Unlock()
	<-b.open
}

// What an answer takes grows with its length and no faster: no part of it is copied for each
// letter.
func TestLongAnswers(t *testing.T) {
	const letters = 40_000
	for _, format := range []string{"%s", `<TOOLCALL>[{"name": "f", "arguments": {"x": "%s"}}]`} {
		s := newServer(t, says(t, fmt.Sprintf(format, strings.Repeat("x", letters))))
		s.loaded()[0].ContextLength = 2 * letters
		for path, body := range map[string]string{
			chatPath:      `{` + hello + `,` + toolFG + `}`,
			messagesPath:  `{` + hello + `,"max_tokens":50000,"tools":` + messageTools + `}`,
			responsesPath: `{"input":"a","tools":` + responseTools + `}`,
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			post(t, s, 200, path, body)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<10*letters), "%s: %s", path, format)
		}
	}
}
