package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parse returns the command line of args with a configuration file.
func parse(t *testing.T, config string, args ...string) (*cli, error) {
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	commands := new(cli)
	parser, err := newParser(commands, stdio{strings.NewReader(""), io.Discard, io.Discard})
	require.NoError(t, err)
	_, err = parser.Parse(append(args, "--config", path))
	return commands, err
}

func TestConfig(t *testing.T) {
	const file = `{"port": 8080, "kv_cache_memory": "2GiB", "served-model-name": ["a", "b"], "n-gen": [1, 2], "json": true, "max-num-seqs": 3}`
	c, err := parse(t, file, "serve")
	require.NoError(t, err)
	require.Equal(t, 8080, c.Serve.Port)
	require.EqualValues(t, 2<<30, c.Serve.KVCacheMemory)
	require.Equal(t, []string{"a", "b"}, c.Serve.ServedModelName)
	require.Equal(t, 3, c.Serve.MaxNumSeqs)
	require.Equal(t, "127.0.0.1", c.Serve.Host)

	c, err = parse(t, file, "bench", "-n", "7")
	require.NoError(t, err)
	require.Equal(t, []int{7}, c.Bench.NGen, "the command line goes first")
	c, err = parse(t, file, "bench")
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, c.Bench.NGen)
	require.Equal(t, []int{512}, c.Bench.NPrompt)

	t.Setenv("TRONA_PORT", "9090")
	c, err = parse(t, file, "serve")
	require.NoError(t, err)
	require.Equal(t, 9090, c.Serve.Port, "the environment goes before the file")
	c, err = parse(t, file, "serve", "--port", "1")
	require.NoError(t, err)
	require.Equal(t, 1, c.Serve.Port)

	c, err = parse(t, "\ufeff"+`{"api-key": ["a, b", "c"]}`, "serve")
	require.NoError(t, err)
	require.Equal(t, []string{"a, b", "c"}, c.Serve.APIKey)
	c, err = parse(t, `{"allowed-origins": ["http://localhost:3000", "*"]}`, "serve")
	require.NoError(t, err)
	require.Equal(t, []string{"http://localhost:3000", "*"}, c.Serve.AllowedOrigins)
	t.Setenv("TRONA_ALLOWED_ORIGINS", "https://a.example,https://b.example")
	c, err = parse(t, file, "serve")
	require.NoError(t, err)
	require.Equal(t, []string{"https://a.example", "https://b.example"}, c.Serve.AllowedOrigins)
	t.Setenv("TRONA_API_KEY", "d, e")
	t.Setenv("TRONA_SERVED_MODEL_NAME", "f,g")
	c, err = parse(t, file, "serve")
	require.NoError(t, err)
	require.Equal(t, []string{"d, e"}, c.Serve.APIKey)
	require.Equal(t, []string{"f", "g"}, c.Serve.ServedModelName)
}

// TestConfigFromEnvironment names the file in the environment.
func TestConfigFromEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"json": true}`), 0o600))
	require.NotContains(t, ok(t, "", "inspect"), "{")
	t.Setenv("TRONA_CONFIG", path)
	require.Contains(t, ok(t, "", "inspect"), `"architecture"`)
}

// TestUnknownVariables: a variable that is misspelt is not passed over in silence.
func TestUnknownVariables(t *testing.T) {
	parser, err := newParser(new(cli), stdio{strings.NewReader(""), io.Discard, io.Discard})
	require.NoError(t, err)
	got := unknownVariables(parser.Model, []string{
		"TRONA_PORT=1", "TRONA_MAX_TOKENS=", "TRONA_CONFIG=x", "TRONA_CPU=generic", "TRONA_EMU_DEVICES=2", "TRONA_SERVICE_HOST=10.0.0.1",
		"TRONA_PORT_8000_TCP=tcp://10.0.0.1:8000", "TRONA=", "PATH=/bin", "TRONA_VERSION=1", "TRONA_MAX_TOKEN=5=6", "=",
	})
	require.Equal(t, []string{"TRONA_MAX_TOKEN", "TRONA_VERSION"}, got)
	t.Setenv("TRONA_MAX_TOKEN", "1")
	r := trona(t, "", "tokenize")
	require.Equal(t, exitDone, r.code)
	require.Equal(t, "trona: no flag belongs to the variable TRONA_MAX_TOKEN: it is ignored\n", r.err)
}

func TestConfigErrors(t *testing.T) {
	for file, want := range map[string]string{
		`{"prot": 1}`:                    "there is no flag --prot",
		`{"config": "x"}`:                "there is no flag --config",
		`{"port": {"a": 1}}`:             `"port" is no value of a flag`,
		`{"port": null}`:                 `"port" is no value of a flag`,
		`{"a-b": 1, "a_b": 1}`:           "stands twice",
		`{"port": "x"}`:                  "--port",
		`{"port": 1.5}`:                  "--port",
		`{"kv-cache-memory": "1 Zebra"}`: "is not a size",
		"\ufeff{} {}":                    "configuration file: not valid JSON: invalid character '{' after top-level value at byte 6",
		`{} {}`:                          "configuration file: not valid JSON: invalid character '{' after top-level value at byte 3",
		`{"port": 1, "port": 2}`:         "configuration file: not valid JSON: duplicate object member name at byte 12",
		`[]`:                             `configuration file: want an object, such as {"port": 8080}`,
		``:                               "configuration file: not valid JSON: unexpected EOF at byte 0",
	} {
		_, err := parse(t, file, "serve")
		require.ErrorContains(t, err, want, file)
	}
}
