package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// chatClient talks to the server of this process, so that run answers as serve
// does.
type chatClient struct{ http *http.Client }

// chatRequest has the fields of the API that run sets.
type chatRequest struct {
	Messages    []chatMessage  `json:"messages"`
	Temperature *float64       `json:"temperature,omitempty"`
	Seed        *int64         `json:"seed,omitempty"`
	MaxTokens   int            `json:"max_tokens,omitempty"`
	Template    map[string]any `json:"chat_template_kwargs,omitempty"`
	Stream      bool           `json:"stream"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// chatEnd is how an answer ended.
type chatEnd struct {
	Finish  string
	Timings chatTimings
	Ignored string // fields of the request that had no effect
}

type chatTimings struct {
	PromptN            int     `json:"prompt_n"`
	PromptPerSecond    float64 `json:"prompt_per_second"`
	PredictedN         int     `json:"predicted_n"`
	PredictedPerSecond float64 `json:"predicted_per_second"`
	CacheN             int     `json:"cache_n"`
}

// chatEvent is what an event of the stream may hold.
type chatEvent struct {
	Choices []struct {
		Delta struct {
			Content   string `json:"content"`
			Reasoning string `json:"reasoning_content"`
		} `json:"delta"`
		Finish string `json:"finish_reason"`
	} `json:"choices"`
	Timings *chatTimings `json:"timings"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// ask streams the answer to a conversation, piece by piece.
func (c *chatClient) ask(ctx context.Context, r chatRequest, emit func(reasoning, answer string) error) (chatEnd, error) {
	r.Stream = true
	body, err := json.Marshal(r)
	if err != nil {
		return chatEnd{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return chatEnd{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return chatEnd{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var failed chatEvent
		if err := json.NewDecoder(response.Body).Decode(&failed); err != nil || failed.Error == nil {
			return chatEnd{}, fmt.Errorf("status %s", response.Status)
		}
		return chatEnd{}, errors.New(failed.Error.Message)
	}
	end, err := readAnswer(response.Body, emit)
	end.Ignored = response.Header.Get("X-Trona-Ignored")
	return end, err
}

// readAnswer reads the events of a stream.
func readAnswer(stream io.Reader, emit func(reasoning, answer string) error) (end chatEnd, err error) {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return end, errors.New("the stream ended too early")
		}
		if err != nil {
			return end, err
		}
		data, found := bytes.CutPrefix(line, []byte("data: "))
		if !found {
			continue
		}
		if data = bytes.TrimSpace(data); string(data) == "[DONE]" {
			return end, nil
		}
		var event chatEvent
		if err := json.Unmarshal(data, &event); err != nil {
			return end, fmt.Errorf("an event of the stream: %w", err)
		}
		if event.Error != nil {
			return end, errors.New(event.Error.Message)
		}
		if event.Timings != nil {
			end.Timings = *event.Timings
		}
		for _, choice := range event.Choices {
			if choice.Finish != "" {
				end.Finish = choice.Finish
			}
			if err := emit(choice.Delta.Reasoning, choice.Delta.Content); err != nil {
				return end, err
			}
		}
	}
}

// pipeListener accepts the connections that its own process dials; nothing
// outside can.
type pipeListener struct {
	connections chan net.Conn
	closed      chan struct{}
	once        sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{connections: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept waits for a connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns a name.
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "trona", Net: "pipe"} }

// client returns a client whose connections all lead here.
func (l *pipeListener) client() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case l.connections <- theirs:
			return ours, nil
		case <-l.closed:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}
