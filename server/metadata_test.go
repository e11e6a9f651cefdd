package server

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What NIM's routes say holds before and after the model is there.
func TestNIMRoutes(t *testing.T) {
	text, err := os.ReadFile("../LICENSE")
	require.NoError(t, err)
	require.Equal(t, string(text), licenseText, "license.txt is a copy of LICENSE")
	s := New(Options{Version: "9.9"})
	ask := func(path string) map[string]any {
		w, got := call(t, s, "GET", path, "")
		require.Equal(t, 200, w.Code, path)
		return got
	}
	require.Empty(t, ask("/v1/metadata")["modelInfo"])
	require.Empty(t, ask("/v1/manifest")["profiles"])
	s.SetModels(testModel(t, says(t, "ok")))
	got := ask("/v1/metadata")
	require.Equal(t, "9.9", got["version"])
	require.Equal(t, []any{
		map[string]any{"shortName": "test", "modelUrl": "", "profileId": "fp_test"}, map[string]any{"shortName": "org/test", "modelUrl": "", "profileId": "fp_test"},
	}, got["modelInfo"])
	require.Equal(t, "Apache-2.0", get(got, "licenseInfo", "name"))
	require.NotContains(t, got["licenseInfo"], "content")
	require.Equal(t, []any{map[string]any{"id": "fp_test", "model": "test", "max_model_len": 256.}}, ask("/v1/manifest")["profiles"])
	require.Equal(t, map[string]any{"release": "9.9", "api": "1.0.0"}, ask("/v1/version"))
	license := ask("/v1/license")
	require.Equal(t, licenseText, license["content"])
	require.EqualValues(t, len(licenseText), license["size"])
	require.Equal(t, get(got, "licenseInfo", "sha"), license["sha"])
	w, _ := call(t, s, "GET", "/v1/metrics", "")
	require.Contains(t, w.Body.String(), "\ntrona_requests_running 0\n")
}

// A name is found in the spelling of NVIDIA's catalogue and in that of its
// hosted service, whichever the server was given.
func TestSpellings(t *testing.T) {
	for name, others := range map[string][]string{
		"nvidia/llama-3.3-nemotron-super-49b-v1.5": {"nvidia/llama-3_3-nemotron-super-49b-v1_5", "nvidia/llama-3.3-nemotron-super-49b-v1_5"},
		"nvidia/llama-3_1-nemotron-nano-4b-v1_1":   {"nvidia/llama-3.1-nemotron-nano-4b-v1.1"},
		"a_b.c_1":                                  nil,
	} {
		m := testModel(t, says(t, "ok"))
		m.Names = []string{name}
		s := New(Options{})
		s.SetModels(m)
		for _, other := range append(others, name) {
			got := post(t, s, 200, chatPath, `{`+hello+`,"model":"`+other+`"}`)
			require.Equal(t, name, got["model"])
			w, card := call(t, s, "GET", "/v1/models/"+other, "")
			require.Equal(t, 200, w.Code)
			require.Equal(t, other, card["id"])
			require.Equal(t, name, card["root"])
		}
		for _, other := range []string{"nvidia/llama-33-nemotron-super-49b-v15", "a.b.c_1", "a_b_c_1", "a_b.c.1", "_", "."} {
			post(t, s, 404, chatPath, `{`+hello+`,"model":"`+other+`"}`)
		}
	}
}
