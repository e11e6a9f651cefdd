package tokenizer

import (
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
	"trona/tokenizer/jinja"
)

// renderCases are conversations and what transformers makes of them.
type renderCases struct {
	Cases map[string]struct {
		Messages []jsontext.Value `json:"messages"`
		Tools    []jsontext.Value `json:"tools"`
		Generate *bool            `json:"add_generation_prompt"`
		Continue bool             `json:"continue_final_message"`
		Kwargs   jsontext.Value   `json:"kwargs"`
	} `json:"cases"`
	Rendered map[string]map[string]jsontext.Value `json:"rendered"`
}

// variablesOf returns the members of an object as variables.
func variablesOf(t testing.TB, object jsontext.Value) []Variable {
	t.Helper()
	if object == nil {
		return nil
	}
	var members map[string]jsontext.Value
	require.NoError(t, json.Unmarshal(object, &members))
	var out []Variable
	for name, value := range members {
		out = append(out, Variable{name, value})
	}
	return out
}

// Every conversation of the goldens through every template of the Nemotron
// models: the text, or the error's kind and message.
func TestTemplateGoldens(t *testing.T) {
	renders := 0
	for _, file := range []string{"golden-renders.json", "golden-renders-2.json"} {
		data, err := os.ReadFile(testdata.Shared(t, "nemotron", "templates", file))
		require.NoError(t, err)
		var goldens renderCases
		require.NoError(t, json.Unmarshal(data, &goldens))
		for name, wants := range goldens.Rendered {
			source, err := os.ReadFile(testdata.Shared(t, "nemotron", "templates", name))
			require.NoError(t, err)
			template, err := NewTemplate(string(source))
			require.NoError(t, err)
			for key, want := range wants {
				c, ok := goldens.Cases[key]
				require.True(t, ok)
				got, err := template.Render(RenderInput{
					Messages:             c.Messages,
					Tools:                c.Tools,
					Variables:            variablesOf(t, c.Kwargs),
					Special:              map[string]string{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
					AddGenerationPrompt:  c.Generate == nil && !c.Continue || c.Generate != nil && *c.Generate,
					ContinueFinalMessage: c.Continue,
					Now:                  time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC),
				})
				requireRender(t, name+"/"+key, want, got, err)
				renders++
			}
		}
	}
	require.Equal(t, 60*5, renders)
}

// requireRender compares a rendering with a golden: a string, or an object
// whose error is "Kind: message" or has a type and a message.
func requireRender(t *testing.T, name string, want jsontext.Value, got string, err error) {
	t.Helper()
	var text string
	if want.Kind() == '"' {
		require.NoError(t, json.Unmarshal(want, &text))
		require.NoError(t, err, name)
		require.Equal(t, text, got, name)
		return
	}
	var failed *jinja.Error
	require.ErrorAs(t, err, &failed, name)
	var short struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(want, &short) == nil {
		require.Equal(t, short.Error, failed.Kind+": "+failed.Message, name)
		return
	}
	var long struct {
		Error struct {
			Kind    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
	require.NoError(t, json.Unmarshal(want, &long))
	require.Equal(t, long.Error.Kind, failed.Kind, name)
	require.Equal(t, long.Error.Message, failed.Message, name)
}
