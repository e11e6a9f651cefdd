package jinja

import (
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// renderCase is a template with what Python's Jinja makes of it.
type renderCase struct {
	Name     string         `json:"name"`
	Template string         `json:"template"`
	Context  jsontext.Value `json:"context"`
	Expected *string        `json:"expected"`
	Error    *struct {
		Phase   string `json:"phase"`
		Kind    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}

func readCases(t testing.TB, path string) []renderCase {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var file struct {
		Shared jsontext.Value `json:"shared"` // a context for all cases that name it
		Cases  []renderCase   `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Cases)
	for i := range file.Cases {
		if c := &file.Cases[i]; string(c.Context) == `"shared"` {
			c.Context = file.Shared
		}
	}
	return file.Cases
}

// renderText compiles and renders a template with variables in JSON.
func renderText(template, context string, limits Limits) (string, error) {
	vars := NewDict()
	if context != "" {
		v, err := FromJSON(jsontext.Value(context))
		if err != nil {
			return "", err
		}
		vars = v.(*Dict)
	}
	compiled, err := New(template)
	if err != nil {
		return "", err
	}
	return compiled.Render(vars, Options{Now: time.Date(2024, 7, 6, 15, 4, 5, 0, time.UTC), Limits: limits})
}

func (c *renderCase) check(t *testing.T) {
	got, err := renderText(c.Template, string(c.Context), Limits{})
	if c.Error == nil {
		require.NoError(t, err, "%s", c.Template)
		require.Equal(t, *c.Expected, got, "%s", c.Template)
		return
	}
	var failed *Error
	require.ErrorAs(t, err, &failed, "%s gives %q", c.Template, got)
	require.Equal(t, c.Error.Kind+": "+c.Error.Message, failed.Kind+": "+failed.Message, "%s", c.Template)
	require.Equal(t, c.Error.Phase, failed.Phase, "%s", c.Template)
}

// Snippets as chat templates have them, and generated ones.
func TestCases(t *testing.T) {
	for file, count := range map[string]int{"cases.json": 210, "more.json": 2735, "found.json": 319} {
		cases := readCases(t, testdata.Path(t, "jinja", file))
		require.Len(t, cases, count)
		for _, c := range cases {
			t.Run(c.Name, c.check)
		}
	}
}
