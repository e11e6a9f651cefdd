package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// screen collects what a program shows.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// wait waits until the screen has shown text n times.
func (s *screen) wait(t *testing.T, text string, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Count(s.String(), text) >= n }, time.Minute, 2*time.Millisecond,
		"%q has not been shown %d times", text, n)
}

// serving is a running `trona serve`.
type serving struct {
	url     string
	command *exec.Cmd
	log     *screen // its stderr
	ended   chan struct{}
}

var (
	readyLine  = regexp.MustCompile(`trona: ready on (http://\S+)\n`)
	listenLine = regexp.MustCompile(`trona: listening on port (\d+), `)
)

// begin starts `trona serve` on a free port and waits for its first line; the
// test ends it.
func begin(t *testing.T, args ...string) *serving {
	t.Helper()
	return beginCommand(t, exec.Command(binary, append([]string{"serve", "--port", "0"}, args...)...))
}

// beginCommand starts a command that becomes a server.
func beginCommand(t *testing.T, command *exec.Cmd) *serving {
	t.Helper()
	s := &serving{command: command, log: new(screen), ended: make(chan struct{})}
	s.command.Stderr = s.log
	s.launch(t)
	s.find(t, listenLine)
	s.url = "http://127.0.0.1:" + listenLine.FindStringSubmatch(s.log.String())[1]
	return s
}

// launch starts the command; the test ends it.
func (s *serving) launch(t *testing.T) {
	t.Helper()
	require.NoError(t, s.command.Start())
	go func() {
		_ = s.command.Wait() // the exit code stays in ProcessState
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.command.Process.Kill() // it may have ended
		<-s.ended
	})
}

// start starts `trona serve` and waits until it is ready.
func start(t *testing.T, args ...string) *serving {
	t.Helper()
	s := begin(t, args...)
	s.url = s.find(t, readyLine)
	return s
}

// find waits for a line and returns its first group.
func (s *serving) find(t *testing.T, line *regexp.Regexp) string {
	t.Helper()
	var match []string
	require.Eventually(t, func() bool {
		match = line.FindStringSubmatch(s.log.String())
		return match != nil || s.exited()
	}, time.Minute, 2*time.Millisecond)
	require.NotNil(t, match, s.log.String())
	return match[1]
}

func (s *serving) exited() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// signal sends SIGTERM.
func (s *serving) signal(t *testing.T) {
	t.Helper()
	s.send(t, syscall.SIGTERM)
}

func (s *serving) send(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, s.command.Process.Signal(signal))
}

// exit waits for the end and returns the exit code.
func (s *serving) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-s.ended:
		return s.command.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		t.Fatalf("it has not ended: %s", s.log)
		return -1
	}
}

// get returns the status of a route.
func (s *serving) get(t *testing.T, path string) int {
	t.Helper()
	response, err := http.Get(s.url + path)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

// answer is what the tests read of an answer of the API.
type answer struct {
	Choices []struct {
		Text           string  `json:"text"`
		TokenIDs       []int32 `json:"token_ids"`
		PromptTokenIDs []int32 `json:"prompt_token_ids"`
		Finish         string  `json:"finish_reason"`
		Message        struct {
			Content   string `json:"content"`
			Reasoning string `json:"reasoning_content"`
		} `json:"message"`
	} `json:"choices"`
	PromptTokenIDs []int32 `json:"prompt_token_ids"`
	Prompt         string  `json:"prompt"`
	Model          string  `json:"model"`
	Usage          struct {
		PromptTokens int `json:"prompt_tokens"`
		Details      struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Timings struct {
		Drafted  int  `json:"draft_n"`
		Accepted *int `json:"draft_n_accepted"`
	} `json:"timings"`
	Fingerprint string `json:"system_fingerprint"`
	Error       *struct {
		Message string `json:"message"`
		Code    string `json:"code"`
	} `json:"error"`
}

type object = map[string]any

// post sends JSON and returns the status and the answer.
func (s *serving) post(t *testing.T, path string, body any) (int, *answer) {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	response, err := http.Post(s.url+path, "application/json", bytes.NewReader(text))
	require.NoError(t, err)
	defer response.Body.Close()
	a := new(answer)
	require.NoError(t, json.NewDecoder(response.Body).Decode(a))
	return response.StatusCode, a
}

// ask sends JSON and wants an answer.
func (s *serving) ask(t *testing.T, path string, body any) *answer {
	t.Helper()
	status, a := s.post(t, path, body)
	require.Equal(t, http.StatusOK, status, "%+v", a.Error)
	return a
}

// streamed is a stream of /v1/completions: its tokens, and whether it ended
// well.
type streamed struct {
	ids     []int32
	finish  string
	done    bool
	problem string // of an error event
}

// readStream reads a stream to its end; each is called after every event with
// tokens.
func readStream(body io.Reader, each func(n int)) (*streamed, error) {
	s := new(streamed)
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !found:
			continue
		case s.done:
			return nil, fmt.Errorf("an event after the end: %s", data)
		case data == "[DONE]":
			s.done = true
			continue
		}
		var event answer
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return nil, fmt.Errorf("%s: %w", data, err)
		}
		if event.Error != nil {
			s.problem = event.Error.Message
		}
		for _, choice := range event.Choices {
			s.ids = append(s.ids, choice.TokenIDs...)
			if choice.Finish != "" {
				s.finish = choice.Finish
			}
		}
		each(len(s.ids))
	}
	return s, lines.Err()
}
