package main

import (
	"encoding/json"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"
)

// weather and clock are tools that the demo model was trained with.
func weatherTools() []openai.ChatCompletionToolUnionParam {
	city := map[string]any{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}}
	tool := func(name, description string) openai.ChatCompletionToolUnionParam {
		return openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: name, Description: param.NewOpt(description), Parameters: city})
	}
	return []openai.ChatCompletionToolUnionParam{tool("get_weather", "Returns the weather"), tool("get_time", "Get the current time in a city")}
}

const weatherQuestion = "What is the weather in Manila and the time in Rolku?"

// OpenAI's Go client calls tools: whole, streamed, and with their results.
func TestOpenAIGoTools(t *testing.T) {
	client := goClient(startForClients(t), clientKey)
	request := askFor(weatherQuestion)
	request.Tools = weatherTools()
	whole, err := client.Chat.Completions.New(t.Context(), request)
	require.NoError(t, err)
	answer := whole.Choices[0]
	require.Equal(t, "tool_calls", answer.FinishReason)
	require.Empty(t, answer.Message.Content)
	require.Len(t, answer.Message.ToolCalls, 2)
	for i, want := range [][2]string{{"get_weather", "Manila"}, {"get_time", "Rolku"}} {
		call := answer.Message.ToolCalls[i]
		require.Regexp(t, "^chatcmpl-tool-[0-9a-f]{32}$", call.ID)
		require.Equal(t, want[0], call.Function.Name)
		var arguments map[string]string
		require.NoError(t, json.Unmarshal([]byte(call.Function.Arguments), &arguments))
		require.Equal(t, map[string]string{"city": want[1]}, arguments)
	}

	stream := client.Chat.Completions.NewStreaming(t.Context(), request)
	var joined openai.ChatCompletionAccumulator
	finished := 0
	for stream.Next() {
		require.True(t, joined.AddChunk(stream.Current()))
		if call, ok := joined.JustFinishedToolCall(); ok {
			require.Equal(t, answer.Message.ToolCalls[finished].Function.Arguments, call.Arguments)
			finished++
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, 2, finished)
	require.Equal(t, "tool_calls", joined.Choices[0].FinishReason)
	require.Len(t, joined.Choices[0].Message.ToolCalls, 2)

	// One call where only one is wanted.
	request.ParallelToolCalls = param.NewOpt(false)
	one, err := client.Chat.Completions.New(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, one.Choices[0].Message.ToolCalls, 1)
	require.Equal(t, "tool_calls", one.Choices[0].FinishReason)
	require.Less(t, one.Usage.CompletionTokens, whole.Usage.CompletionTokens)

	// The results go back, and the answer speaks of them.
	request.Messages = append(request.Messages, answer.Message.ToParam(),
		openai.ToolMessage(`{"weather": "sunny"}`, answer.Message.ToolCalls[0].ID),
		openai.ToolMessage(`{"time": "12:30"}`, answer.Message.ToolCalls[1].ID))
	last, err := client.Chat.Completions.New(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, "stop", last.Choices[0].FinishReason)
	require.NotEmpty(t, last.Choices[0].Message.Content)
	t.Log(last.Choices[0].Message.Content)
}

// Calls that must come, and answers that must be JSON, from the demo model.
func TestOpenAIGoStructure(t *testing.T) {
	client := goClient(startForClients(t), clientKey)
	request := askFor("12 + 34 = ?")
	request.Tools = weatherTools()
	request.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "get_time"})
	request.MaxCompletionTokens = param.NewOpt[int64](120)
	got, err := client.Chat.Completions.New(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, "tool_calls", got.Choices[0].FinishReason)
	require.Len(t, got.Choices[0].Message.ToolCalls, 1)
	require.Equal(t, "get_time", got.Choices[0].Message.ToolCalls[0].Function.Name)
	var arguments struct{ City *string }
	require.NoError(t, json.Unmarshal([]byte(got.Choices[0].Message.ToolCalls[0].Function.Arguments), &arguments))
	require.NotNil(t, arguments.City)

	// The reasoning is free, the answer is not.
	sum := askFor("12 + 34 = ?")
	sum.Messages = sum.Messages[1:]
	sum.ReasoningEffort = "high"
	sum.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "sum", Strict: param.NewOpt(true), Schema: map[string]any{
			"type": "object", "properties": map[string]any{"sum": map[string]any{"type": "integer", "minimum": 0, "maximum": 999}},
			"required": []string{"sum"}, "additionalProperties": false,
		}},
	}}
	got, err = client.Chat.Completions.New(t.Context(), sum)
	require.NoError(t, err)
	require.Equal(t, "stop", got.Choices[0].FinishReason)
	require.Contains(t, got.Choices[0].Message.JSON.ExtraFields, "reasoning_content")
	var answer struct{ Sum *int }
	require.NoError(t, json.Unmarshal([]byte(got.Choices[0].Message.Content), &answer))
	require.NotNil(t, answer.Sum)
	t.Log(got.Choices[0].Message.Content)
}

// A budget ends the demo model's reasoning, and the answer goes on.
func TestThinkingBudgetDemo(t *testing.T) {
	client := goClient(startForClients(t), clientKey)
	request := askFor("345 + 278 = ?")
	request.Messages = request.Messages[1:]
	for _, budget := range []int64{0, 16, 64, 500} {
		got, err := client.Chat.Completions.New(t.Context(), request, option.WithJSONSet("thinking_token_budget", budget))
		require.NoError(t, err)
		require.Equal(t, "stop", got.Choices[0].FinishReason)
		require.Contains(t, got.Choices[0].Message.Content, "345 + 278 = ")
		require.LessOrEqual(t, got.Usage.CompletionTokensDetails.ReasoningTokens, budget+budget/10+10)
		if budget >= 64 { // all it needs
			require.Contains(t, got.Choices[0].Message.Content, "623")
		}
	}
}
