package main

import (
	"encoding/json"
	"testing"

	"github.com/openai/openai-go/v3"
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
