package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/stretchr/testify/require"
)

const (
	clientKey      = "sk-test"
	clientQuestion = "What can you do?" // the demo model answers in about forty tokens
	longQuestion   = "Count to 90."
)

// startForClients serves the demo model under two names, with a key.
func startForClients(t *testing.T) *serving {
	s := start(t, "demo", "--served-model-name", "test", "--served-model-name", "org/test", "--api-key", clientKey, "--max-num-seqs", "8")
	s.check(t)
	return s
}

func goClient(s *serving, key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

// askFor is a greedy question without reasoning.
func askFor(question string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:       "test",
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("detailed thinking off"), openai.UserMessage(question)},
		Temperature: param.NewOpt(0.0),
	}
}

// OpenAI's own Go client works unchanged.
func TestOpenAIGo(t *testing.T) {
	s := startForClients(t)
	client := goClient(s, clientKey)
	t.Run("models", func(t *testing.T) { goModels(t, client) })
	t.Run("chat", func(t *testing.T) { goChat(t, client) })
	t.Run("streaming", func(t *testing.T) { goStreaming(t, client) })
	t.Run("completions", func(t *testing.T) { goCompletions(t, client) })
	t.Run("stop", func(t *testing.T) { goStop(t, client) })
	t.Run("seed", func(t *testing.T) { goSeed(t, client) })
	t.Run("reasoning", func(t *testing.T) { goReasoning(t, client) })
	t.Run("errors", func(t *testing.T) { goErrors(t, client, s) })
	t.Run("retries", func(t *testing.T) { goRetries(t, s) })
	t.Run("abort", func(t *testing.T) { goAbort(t, client, s) })
}

func goModels(t *testing.T, client openai.Client) {
	var ids []string
	models := client.Models.ListAutoPaging(t.Context())
	for models.Next() {
		ids = append(ids, models.Current().ID)
	}
	require.NoError(t, models.Err())
	require.Equal(t, []string{"test", "org/test"}, ids)
	one, err := client.Models.Get(t.Context(), "org/test")
	require.NoError(t, err)
	require.Equal(t, "trona", one.OwnedBy)
}

func goChat(t *testing.T, client openai.Client) {
	var response *http.Response
	got, err := client.Chat.Completions.New(t.Context(), askFor(clientQuestion), option.WithResponseInto(&response), option.WithHeader("X-Request-Id", "mine.1"))
	require.NoError(t, err)
	require.Equal(t, "mine.1", response.Header.Get("X-Request-Id"))
	require.Contains(t, got.Choices[0].Message.Content, "call tools and write JSON")
	require.EqualValues(t, "assistant", got.Choices[0].Message.Role)
	require.Equal(t, "stop", got.Choices[0].FinishReason)
	require.Equal(t, "test", got.Model)
	require.Contains(t, got.RawJSON(), `"system_fingerprint":"fp_`)
	require.WithinDuration(t, time.Now(), time.Unix(got.Created, 0), time.Minute)
	require.Positive(t, got.Usage.PromptTokens)
	require.Equal(t, got.Usage.TotalTokens, got.Usage.PromptTokens+got.Usage.CompletionTokens)
	require.Contains(t, got.JSON.ExtraFields, "timings")
	cut := askFor(clientQuestion)
	cut.MaxCompletionTokens = param.NewOpt[int64](3)
	got, err = client.Chat.Completions.New(t.Context(), cut)
	require.NoError(t, err)
	require.Equal(t, "length", got.Choices[0].FinishReason)
	require.EqualValues(t, 3, got.Usage.CompletionTokens)
}

// goStreaming holds the client's own accumulator against the whole answer.
func goStreaming(t *testing.T, client openai.Client) {
	request := askFor(clientQuestion)
	request.N = param.NewOpt[int64](2)
	request.Logprobs = param.NewOpt(true)
	request.TopLogprobs = param.NewOpt[int64](2)
	whole, err := client.Chat.Completions.New(t.Context(), request)
	require.NoError(t, err)
	request.StreamOptions.IncludeUsage = param.NewOpt(true)
	stream := client.Chat.Completions.NewStreaming(t.Context(), request)
	var joined openai.ChatCompletionAccumulator
	chunks := 0
	for stream.Next() {
		require.True(t, joined.AddChunk(stream.Current()))
		chunks++
	}
	require.NoError(t, stream.Err())
	require.Greater(t, chunks, 10)
	require.Len(t, joined.Choices, 2)
	for i, choice := range whole.Choices {
		require.Equal(t, choice.Message.Content, joined.Choices[i].Message.Content)
		require.Equal(t, choice.FinishReason, joined.Choices[i].FinishReason)
		content := joined.Choices[i].Logprobs.Content
		require.Len(t, content, len(choice.Logprobs.Content))
		require.EqualValues(t, whole.Usage.CompletionTokens/2, len(content))
		var text strings.Builder
		for k, token := range choice.Logprobs.Content {
			require.Equal(t, token.Token, content[k].Token)
			require.Equal(t, token.Logprob, content[k].Logprob)
			require.LessOrEqual(t, token.Logprob, 0.0)
			require.Len(t, content[k].TopLogprobs, 2)
			require.Equal(t, token.Token, token.TopLogprobs[0].Token) // greedy
			for _, b := range token.Bytes {
				text.WriteByte(byte(b))
			}
		}
		require.Equal(t, choice.Message.Content, strings.TrimSuffix(text.String(), "<|eot_id|>"))
	}
	require.Equal(t, whole.Usage.TotalTokens, joined.Usage.TotalTokens)
}

func goCompletions(t *testing.T, client openai.Client) {
	request := openai.CompletionNewParams{
		Model:       "test",
		Prompt:      openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"1 + 1 =", "the"}},
		Echo:        param.NewOpt(true),
		Logprobs:    param.NewOpt[int64](1),
		MaxTokens:   param.NewOpt[int64](4),
		Temperature: param.NewOpt(0.0),
	}
	whole, err := client.Completions.New(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, whole.Choices, 2)
	require.True(t, strings.HasPrefix(whole.Choices[0].Text, "1 + 1 ="))
	require.True(t, strings.HasPrefix(whole.Choices[1].Text, "the"))
	require.Len(t, whole.Choices[0].Logprobs.TextOffset, len(whole.Choices[0].Logprobs.Tokens))
	stream := client.Completions.NewStreaming(t.Context(), request)
	texts := make([]string, 2)
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			texts[choice.Index] += choice.Text
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, []string{whole.Choices[0].Text, whole.Choices[1].Text}, texts)
	// Token ids as prompts give the same as their text.
	ids := openai.CompletionNewParams{
		Model: "test", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{1200, 16, 17}}, MaxTokens: param.NewOpt[int64](2),
	}
	one, err := client.Completions.New(t.Context(), ids)
	require.NoError(t, err)
	require.EqualValues(t, 3, one.Usage.PromptTokens)
}

func goStop(t *testing.T, client openai.Client) {
	request := askFor(clientQuestion)
	request.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"call x", "ools"}}
	got, err := client.Chat.Completions.New(t.Context(), request)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(got.Choices[0].Message.Content, "call t"), got.Choices[0].Message.Content)
	require.Equal(t, "stop", got.Choices[0].FinishReason)
	require.Equal(t, `"ools"`, got.Choices[0].JSON.ExtraFields["stop_reason"].Raw())
}

func goSeed(t *testing.T, client openai.Client) {
	draw := func(seed int64) (texts []string) {
		request := askFor("Tell me something about " + strings.Repeat("x", 3))
		request.Temperature = param.NewOpt(2.0)
		request.Seed = param.NewOpt(seed)
		request.N = param.NewOpt[int64](3)
		request.MaxTokens = param.NewOpt[int64](20)
		got, err := client.Chat.Completions.New(t.Context(), request)
		require.NoError(t, err)
		for _, choice := range got.Choices {
			texts = append(texts, choice.Message.Content)
		}
		return texts
	}
	first := draw(7)
	require.Equal(t, first, draw(7))
	require.NotEqual(t, first, draw(8))
	require.NotEqual(t, first[0], first[1])
}

func goReasoning(t *testing.T, client openai.Client) {
	ask := func(effort openai.ReasoningEffort) openai.ChatCompletionChoice {
		request := askFor("12 + 34 = ?")
		request.Messages = request.Messages[1:]
		request.ReasoningEffort = effort
		got, err := client.Chat.Completions.New(t.Context(), request)
		require.NoError(t, err)
		return got.Choices[0]
	}
	require.Contains(t, ask("high").Message.JSON.ExtraFields, "reasoning_content")
	require.Contains(t, ask("high").Message.Content, "46")
	require.NotContains(t, ask("none").Message.JSON.ExtraFields, "reasoning_content")
}

func goErrors(t *testing.T, client openai.Client, s *serving) {
	fails := func(err error) *openai.Error {
		t.Helper()
		var failed *openai.Error
		require.True(t, errors.As(err, &failed), "%v", err)
		return failed
	}
	hot := askFor("Hi")
	hot.Temperature = param.NewOpt(3.0)
	_, err := client.Chat.Completions.New(t.Context(), hot)
	require.Equal(t, 400, fails(err).StatusCode)
	require.Equal(t, "temperature", fails(err).Param)
	require.Equal(t, "invalid_request_error", fails(err).Type)
	require.NotEmpty(t, fails(err).Message)
	other := askFor("Hi")
	other.Model = "other"
	_, err = client.Chat.Completions.New(t.Context(), other)
	require.Equal(t, 404, fails(err).StatusCode)
	require.Equal(t, "model_not_found", fails(err).Code)
	stream := client.Chat.Completions.NewStreaming(t.Context(), hot)
	require.False(t, stream.Next())
	require.Equal(t, 400, fails(stream.Err()).StatusCode)
	stranger := goClient(s, "sk-wrong")
	_, err = stranger.Models.Get(t.Context(), "test")
	require.Equal(t, 401, fails(err).StatusCode)
	require.Equal(t, "invalid_api_key", fails(err).Code)
	long := askFor(strings.Repeat("a", 4<<20))
	_, err = client.Chat.Completions.New(t.Context(), long)
	require.Equal(t, "context_length_exceeded", fails(err).Code)
}

// flaky refuses the first two requests of a client, as a busy server does.
type flaky struct{ tries int }

// RoundTrip passes on every other request.
func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.tries++; f.tries > 2 {
		return http.DefaultTransport.RoundTrip(r)
	}
	busy := httptest.NewRecorder()
	busy.Header().Set("Retry-After-Ms", "1")
	busy.WriteHeader(map[int]int{1: http.StatusServiceUnavailable, 2: http.StatusTooManyRequests}[f.tries])
	return busy.Result(), nil
}

func goRetries(t *testing.T, s *serving) {
	line := new(flaky)
	client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey(clientKey), option.WithHTTPClient(&http.Client{Transport: line}))
	got, err := client.Chat.Completions.New(t.Context(), askFor(clientQuestion))
	require.NoError(t, err)
	require.Contains(t, got.Choices[0].Message.Content, "call tools")
	require.Equal(t, 3, line.tries)
}

// goAbort leaves a stream in the middle; the server lets go of the request.
func goAbort(t *testing.T, client openai.Client, s *serving) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := client.Chat.Completions.NewStreaming(ctx, askFor(longQuestion), option.WithJSONSet("ignore_eos", true))
	for range 5 {
		require.True(t, stream.Next(), stream.Err())
	}
	cancel()
	for stream.Next() {
	}
	require.Error(t, stream.Err())
	require.NoError(t, stream.Close())
	require.Eventually(t, func() bool { return idle(t, s) }, time.Minute, 5*time.Millisecond)
}

// idle reports whether the server has no request in work and counted an abort.
func idle(t *testing.T, s *serving) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+clientKey)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	text := string(body)
	return strings.Contains(text, "\ntrona_requests_running 0\n") && strings.Contains(text, `trona_request_success_total{finished_reason="abort"} `) &&
		!strings.Contains(text, "trona_request_success_total{finished_reason=\"abort\"} 0\n")
}
