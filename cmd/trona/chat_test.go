package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadAnswer(t *testing.T) {
	const (
		head = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
		body = "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n: a comment\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"yes\"}}]}\n\n"
		tail = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"timings\":{\"prompt_n\":7,\"predicted_n\":3,\"cache_n\":2}}\n\n"
	)
	var reasoning, answer string
	end, err := readAnswer(strings.NewReader(head+body+tail+"data: [DONE]\n\n"), func(r, a string) error {
		reasoning, answer = reasoning+r, answer+a
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, [2]string{"hm", "yes"}, [2]string{reasoning, answer})
	require.Equal(t, chatEnd{Finish: "stop", Timings: chatTimings{PromptN: 7, PredictedN: 3, CacheN: 2}}, end)

	for stream, want := range map[string]string{
		head + body: "ended too early",
		head + "data: {\"error\":{\"message\":\"the device failed\"}}\n\n": "the device failed",
		head + "data: {\n": "an event of the stream",
	} {
		_, err := readAnswer(strings.NewReader(stream), func(string, string) error { return nil })
		require.ErrorContains(t, err, want)
	}
	_, err = readAnswer(strings.NewReader(head), func(string, string) error { return io.ErrClosedPipe })
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// TestPipeListener serves this process and nobody else.
func TestPipeListener(t *testing.T) {
	l := newPipeListener()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	client := l.client()
	response, err := client.Get("http://localhost/path")
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "/path", string(text))
	require.NoError(t, response.Body.Close())
	client.CloseIdleConnections()
	require.NoError(t, server.Shutdown(context.Background()))
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	_, err = client.Get("http://localhost/path")
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestPrintable(t *testing.T) {
	require.Equal(t, "a[31mb\n\tc\u200bé", printable("a\x1b[31mb\n\tc\r\x07\u200bé\u009b"))
}
