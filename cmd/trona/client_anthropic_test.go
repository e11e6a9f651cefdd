package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/anthropics/anthropic-sdk-go/v2/toolrunner"
	"github.com/stretchr/testify/require"
)

// anthropicClient is a client whose questions are answered greedily.
func anthropicClient(s *serving, key string) anthropic.Client {
	return anthropic.NewClient(option.WithBaseURL(s.url), option.WithAPIKey(key), option.WithMaxRetries(0), option.WithJSONSet("temperature", 0))
}

// askMessage is a question.
func askMessage(question string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: "test", MaxTokens: 200,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(question))},
	}
}

// adaptive lets the model reason.
func adaptive() anthropic.ThinkingConfigParamUnion {
	return anthropic.ThinkingConfigParamUnion{OfAdaptive: &anthropic.ThinkingConfigAdaptiveParam{}}
}

// Anthropic's own Go client works unchanged.
func TestAnthropicGo(t *testing.T) {
	s := startForClients(t)
	client := anthropicClient(s, clientKey)
	t.Run("message", func(t *testing.T) { anthropicWhole(t, client) })
	t.Run("streaming", func(t *testing.T) { anthropicStreaming(t, client) })
	t.Run("turns", func(t *testing.T) { anthropicTurns(t, client) })
	t.Run("tools", func(t *testing.T) { anthropicTools(t, client) })
	t.Run("runner", func(t *testing.T) { anthropicRunner(t, client) })
	t.Run("models", func(t *testing.T) { anthropicModels(t, client) })
	t.Run("budget", func(t *testing.T) { anthropicBudget(t, client) })
	t.Run("errors", func(t *testing.T) { anthropicErrors(t, client, s) })
	t.Run("retries", func(t *testing.T) { anthropicRetries(t, s) })
}

// anthropicModels wants the list that OpenAI's clients read to be Anthropic's too.
func anthropicModels(t *testing.T, client anthropic.Client) {
	one, err := client.Models.Get(t.Context(), "test", anthropic.ModelGetParams{})
	require.NoError(t, err)
	models := []anthropic.ModelInfo{*one}
	pages := client.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{})
	for pages.Next() {
		models = append(models, pages.Current())
	}
	require.NoError(t, pages.Err())
	require.Equal(t, one.ID, models[1].ID)
	for _, m := range models {
		require.Equal(t, m.ID, m.DisplayName)
		require.EqualValues(t, "model", m.Type)
		require.False(t, m.CreatedAt.IsZero())
		require.Positive(t, m.MaxInputTokens)
	}
}

func anthropicWhole(t *testing.T, client anthropic.Client) {
	got, err := client.Messages.New(t.Context(), askMessage(clientQuestion))
	require.NoError(t, err)
	require.Len(t, got.Content, 1)
	require.Contains(t, got.Content[0].AsText().Text, "call tools and write JSON")
	require.Equal(t, anthropic.StopReasonEndTurn, got.StopReason)
	count, err := client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: "test", Messages: askMessage(clientQuestion).Messages})
	require.NoError(t, err)
	require.Equal(t, count.InputTokens, got.Usage.InputTokens+got.Usage.CacheReadInputTokens)
	stop := askMessage(clientQuestion)
	stop.StopSequences = []string{"call x", "ools"}
	got, err = client.Messages.New(t.Context(), stop)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(got.Content[0].Text, "call t"))
	require.Equal(t, anthropic.StopReasonStopSequence, got.StopReason)
	require.Equal(t, "ools", got.StopSequence)
}

// anthropicStreaming holds the client's own accumulator against the whole answer.
func anthropicStreaming(t *testing.T, client anthropic.Client) {
	for _, thinks := range []bool{false, true} {
		request := askMessage("12 + 34 = ?")
		if thinks {
			request.Thinking = adaptive()
		}
		_, err := client.Messages.New(t.Context(), request) // fills the prefix cache
		require.NoError(t, err)
		whole, err := client.Messages.New(t.Context(), request)
		require.NoError(t, err)
		stream := client.Messages.NewStreaming(t.Context(), request)
		var joined anthropic.Message
		for stream.Next() {
			require.NoError(t, joined.Accumulate(stream.Current()))
		}
		require.NoError(t, stream.Err())
		require.Len(t, joined.Content, len(whole.Content))
		for i := range whole.Content {
			require.Equal(t, whole.Content[i].Type, joined.Content[i].Type)
			require.Equal(t, whole.Content[i].Text, joined.Content[i].Text)
			require.Equal(t, whole.Content[i].Thinking, joined.Content[i].Thinking)
		}
		require.Equal(t, thinks, whole.Content[0].Type == "thinking")
		require.Equal(t, whole.StopReason, joined.StopReason)
		require.Equal(t, whole.Usage.InputTokens, joined.Usage.InputTokens)
		require.Equal(t, whole.Usage.CacheReadInputTokens, joined.Usage.CacheReadInputTokens)
		require.Equal(t, whole.Usage.OutputTokens, joined.Usage.OutputTokens)
	}
}

// anthropicTurns sends a whole answer back, thoughts included.
func anthropicTurns(t *testing.T, client anthropic.Client) {
	request := askMessage("12 + 34 = ?")
	request.Thinking = adaptive()
	got, err := client.Messages.New(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, got.Content, 2)
	require.Contains(t, got.Content[1].Text, "46")
	request.Messages = append(request.Messages, got.ToParam(), askMessage(clientQuestion).Messages[0])
	request.System = []anthropic.TextBlockParam{{Text: "detailed thinking off"}}
	got, err = client.Messages.New(t.Context(), request)
	require.NoError(t, err)
	require.Contains(t, got.Content[0].Text, "call tools")
}

// anthropicTools goes from a question to a call, and from its result to the answer.
func anthropicTools(t *testing.T, client anthropic.Client) {
	request := askMessage("What is 552 + 15137.")
	schema := anthropic.ToolInputSchemaParam{Properties: calculator()["properties"], Required: []string{"expression"}}
	request.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{
		Name: "calculator", Description: anthropic.String("Evaluate an expression"), InputSchema: schema,
	}}}
	stream := client.Messages.NewStreaming(t.Context(), request)
	var got anthropic.Message
	for stream.Next() {
		require.NoError(t, got.Accumulate(stream.Current()))
	}
	require.NoError(t, stream.Err())
	require.Equal(t, anthropic.StopReasonToolUse, got.StopReason)
	require.Len(t, got.Content, 1)
	call := got.Content[0].AsToolUse()
	require.Equal(t, "calculator", call.Name)
	require.JSONEq(t, `{"expression": "552 + 15137"}`, string(call.Input))
	request.Messages = append(request.Messages, got.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(call.ID, "15689", false)))
	answer, err := client.Messages.New(t.Context(), request)
	require.NoError(t, err)
	require.Contains(t, answer.Content[0].Text, "15689")
}

// anthropicRunner lets the client call the tool itself. It would have the server keep
// the conversation, and takes it upon itself where that is refused.
func anthropicRunner(t *testing.T, client anthropic.Client) {
	type sum struct {
		Expression string `json:"expression"`
	}
	schema := anthropic.BetaToolInputSchemaParam{Properties: calculator()["properties"], Required: []string{"expression"}}
	tool := toolrunner.NewBetaTool("calculator", "Evaluate an expression", schema,
		func(_ context.Context, in sum) (anthropic.BetaToolResultBlockParamContentUnion, error) {
			require.Equal(t, "552 + 15137", in.Expression)
			return anthropic.BetaToolResultBlockParamContentUnion{OfText: &anthropic.BetaTextBlockParam{Text: "15689"}}, nil
		})
	var read []int64
	runner := client.Beta.Messages.NewToolRunner([]anthropic.BetaTool{tool}, anthropic.BetaToolRunnerParams{BetaMessageNewParams: anthropic.BetaMessageNewParams{
		Model: "test", MaxTokens: 200, Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock("What is 552 + 15137."))},
	}})
	for message, err := range runner.All(t.Context()) {
		require.NoError(t, err)
		read = append(read, message.Usage.InputTokens+message.Usage.CacheReadInputTokens)
	}
	require.Contains(t, runner.LastMessage().Content[0].Text, "15689")
	require.Len(t, read, 2)
	require.Greater(t, read[1], read[0], "the second turn has the first one before it")
}

// anthropicBudget ends the thoughts where the client wants, streamed and whole.
func anthropicBudget(t *testing.T, client anthropic.Client) {
	var tokens []int64
	for _, budget := range []int64{1, 16, 64} {
		request := askMessage("345 + 278 = ?")
		request.Thinking = anthropic.ThinkingConfigParamOfEnabled(budget)
		whole, err := client.Messages.New(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, anthropic.StopReasonEndTurn, whole.StopReason)
		require.Contains(t, whole.Content[len(whole.Content)-1].Text, "345 + 278 = ")
		stream := client.Messages.NewStreaming(t.Context(), request)
		var joined anthropic.Message
		for stream.Next() {
			require.NoError(t, joined.Accumulate(stream.Current()))
		}
		require.NoError(t, stream.Err())
		require.Len(t, joined.Content, len(whole.Content))
		for i := range whole.Content {
			require.Equal(t, whole.Content[i].Text+whole.Content[i].Thinking, joined.Content[i].Text+joined.Content[i].Thinking)
		}
		tokens = append(tokens, whole.Usage.OutputTokens)
	}
	require.IsIncreasing(t, tokens)
}

func anthropicRetries(t *testing.T, s *serving) {
	line := new(flaky)
	client := anthropic.NewClient(option.WithBaseURL(s.url), option.WithAPIKey(clientKey), option.WithHTTPClient(&http.Client{Transport: line}))
	got, err := client.Messages.New(t.Context(), askMessage(clientQuestion), option.WithJSONSet("temperature", 0))
	require.NoError(t, err)
	require.Contains(t, got.Content[0].Text, "call tools")
	require.Equal(t, 3, line.tries)
}

func anthropicErrors(t *testing.T, client anthropic.Client, s *serving) {
	fails := func(request anthropic.MessageNewParams, client anthropic.Client, options ...option.RequestOption) *anthropic.Error {
		t.Helper()
		_, err := client.Messages.New(t.Context(), request, options...)
		var failed *anthropic.Error
		require.True(t, errors.As(err, &failed), "%v", err)
		return failed
	}
	hot := option.WithJSONSet("temperature", 3)
	failed := fails(askMessage("Hi"), client, hot)
	require.Equal(t, 400, failed.StatusCode)
	require.Contains(t, failed.RawJSON(), "temperature: must be")
	require.NotEmpty(t, failed.RequestID)
	other := askMessage("Hi")
	other.Model = "other"
	require.Equal(t, 404, fails(other, client).StatusCode)
	require.Equal(t, 401, fails(askMessage("Hi"), anthropicClient(s, "sk-wrong")).StatusCode)
	stream := client.Messages.NewStreaming(t.Context(), askMessage("Hi"), hot)
	require.False(t, stream.Next())
	require.Error(t, stream.Err())
}
