package main

import (
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/stretchr/testify/require"
)

// askResponse is a greedy question.
func askResponse(question string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: "test", Temperature: param.NewOpt(0.0), Instructions: param.NewOpt("detailed thinking off"),
		Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt(question)},
	}
}

// OpenAI's own Go client works unchanged with the Responses API.
func TestOpenAIGoResponses(t *testing.T) {
	s := startForClients(t)
	client := goClient(s, clientKey)
	got, err := client.Responses.New(t.Context(), askResponse(clientQuestion))
	require.NoError(t, err)
	require.Contains(t, got.OutputText(), "call tools and write JSON")
	require.Equal(t, responses.ResponseStatusCompleted, got.Status)
	count, err := client.Responses.InputTokens.Count(t.Context(), responses.InputTokenCountParams{
		Model: param.NewOpt("test"), Instructions: param.NewOpt("detailed thinking off"),
		Input: responses.InputTokenCountParamsInputUnion{OfString: param.NewOpt(clientQuestion)},
	})
	require.NoError(t, err)
	require.Equal(t, got.Usage.InputTokens, count.InputTokens)
	t.Run("streaming", func(t *testing.T) { responsesStreaming(t, client) })
	t.Run("stored", func(t *testing.T) { responsesStored(t, client, got) })
	t.Run("tools", func(t *testing.T) { responsesTools(t, client) })
}

// responsesStreaming holds the last event, and the deltas, against the whole answer.
func responsesStreaming(t *testing.T, client openai.Client) {
	request := askResponse("12 + 34 = ?")
	request.Instructions = param.NewOpt("detailed thinking on")
	whole, err := client.Responses.New(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, whole.Output, 2)
	require.Contains(t, whole.OutputText(), "46")
	stream := client.Responses.NewStreaming(t.Context(), request)
	text, last := "", responses.Response{}
	for stream.Next() {
		switch e := stream.Current(); e.Type {
		case "response.output_text.delta":
			text += e.Delta
		case "response.completed":
			last = e.Response
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, whole.OutputText(), text)
	require.Equal(t, whole.OutputText(), last.OutputText())
	require.Equal(t, whole.Output[0].Content[0].Text, last.Output[0].Content[0].Text)
	require.Equal(t, whole.Usage.OutputTokens, last.Usage.OutputTokens)
	require.Equal(t, whole.Usage.OutputTokensDetails, last.Usage.OutputTokensDetails)
}

func responsesStored(t *testing.T, client openai.Client, first *responses.Response) {
	stored, err := client.Responses.Get(t.Context(), first.ID, responses.ResponseGetParams{})
	require.NoError(t, err)
	require.Equal(t, first.OutputText(), stored.OutputText())
	next := askResponse("12 + 34 = ?")
	next.PreviousResponseID = param.NewOpt(first.ID)
	second, err := client.Responses.New(t.Context(), next)
	require.NoError(t, err)
	require.Contains(t, second.OutputText(), "12 + 34 = ")
	require.Greater(t, second.Usage.InputTokens, first.Usage.InputTokens)
	input, err := client.Responses.InputItems.List(t.Context(), first.ID, responses.InputItemListParams{})
	require.NoError(t, err)
	require.Len(t, input.Data, 1)
	require.EqualValues(t, "user", input.Data[0].Role)
	require.NotEmpty(t, input.Data[0].Content.OfInputItemContentList[0].Text)
	_, err = client.Responses.Cancel(t.Context(), first.ID)
	require.ErrorContains(t, err, "400")
	require.NoError(t, client.Responses.Delete(t.Context(), first.ID))
	_, err = client.Responses.New(t.Context(), next)
	var failed *openai.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "previous_response_not_found", failed.Code)
}

// calculator is a tool that the demo model knows to call.
func calculator() map[string]any {
	return map[string]any{
		"type": "object", "properties": map[string]any{"expression": map[string]any{"type": "string"}}, "required": []string{"expression"},
	}
}

// responsesTools goes from a question to a call, and from its result to the answer.
func responsesTools(t *testing.T, client openai.Client) {
	request := askResponse("What is 552 + 15137.")
	request.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
		Name: "calculator", Description: param.NewOpt("Evaluate an expression"), Parameters: calculator(), Strict: param.NewOpt(false),
	}}}
	got, err := client.Responses.New(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, got.Output, 1)
	call := got.Output[0].AsFunctionCall()
	require.Equal(t, "calculator", call.Name)
	require.JSONEq(t, `{"expression": "552 + 15137"}`, call.Arguments)
	request.PreviousResponseID = param.NewOpt(got.ID)
	request.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
			CallID: param.NewOpt(call.CallID), Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: param.NewOpt("15689")},
		}},
	}}
	got, err = client.Responses.New(t.Context(), request)
	require.NoError(t, err)
	require.Contains(t, got.OutputText(), "15689")
}
