package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// binary is the program that TestMain built.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "trona")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "trona")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// result is what a run of the program left.
type result struct {
	code     int
	out, err string
}

// trona runs the program to its end.
func trona(t *testing.T, input string, args ...string) result {
	t.Helper()
	command := exec.Command(binary, args...)
	var out, errors bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &out, &errors
	if err := command.Run(); err != nil {
		require.IsType(t, new(exec.ExitError), err)
	}
	return result{command.ProcessState.ExitCode(), out.String(), errors.String()}
}

// ok runs the program, which must succeed, and returns its output.
func ok(t *testing.T, input string, args ...string) string {
	t.Helper()
	r := trona(t, input, args...)
	require.Equal(t, exitDone, r.code, r.err)
	return r.out
}

func TestExitCodes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "absent.gguf")
	garbage := filepath.Join(t.TempDir(), "garbage.gguf")
	require.NoError(t, os.WriteFile(garbage, []byte("not a model"), 0o600))
	tests := map[string]struct {
		args []string
		code int
		want string // part of the only line on stderr
	}{
		"no command":        {nil, exitUsage, "expected one of"},
		"unknown command":   {[]string{"sing"}, exitUsage, "sing"},
		"unknown flag":      {[]string{"inspect", "--loud"}, exitUsage, "--loud (see trona inspect --help)"},
		"unknown letter":    {[]string{"run", "-m", "x"}, exitUsage, "unknown flag -m: MODEL stands without a flag (see trona run --help)"},
		"no letter":         {[]string{"inspect", "-x"}, exitUsage, "unknown flag -x (see trona inspect --help)"},
		"help of nothing":   {[]string{"help", "sing"}, exitUsage, "unexpected argument sing"},
		"bad value":         {[]string{"plan", "--max-model-len", "many"}, exitUsage, `--max-model-len: want a whole number, not "many" (see trona plan --help)`},
		"no time":           {[]string{"serve", "--drain-timeout", "5"}, exitUsage, `--drain-timeout: want a time with its unit, such as 30s, not "5" (see`},
		"no number":         {[]string{"run", "--temperature", "hot"}, exitUsage, `--temperature: want a number, not "hot" (see`},
		"no truth":          {[]string{"inspect", "--json=maybe"}, exitUsage, `--json: want true or false, not "maybe" (see`},
		"no value":          {[]string{"serve", "--port"}, exitUsage, "--port needs a value (see trona serve --help)"},
		"no text as value":  {[]string{"serve", "--host"}, exitUsage, "--host needs a value (see trona serve --help)"},
		"no list as value":  {[]string{"bench", "-p"}, exitUsage, "--n-prompt needs a value (see trona bench --help)"},
		"bad size":          {[]string{"plan", "--device-memory", "16Q"}, exitUsage, "16Q"},
		"negative":          {[]string{"plan", "--max-model-len=-1"}, exitUsage, "--max-model-len"},
		"many sequences":    {[]string{"serve", "--max-num-seqs", "70000"}, exitUsage, "--max-num-seqs 70000: must be 1 to 65536"},
		"unknown dtype":     {[]string{"plan", "--kv-cache-dtype", "int3"}, exitUsage, "int3"},
		"bench synchronous": {[]string{"bench", "--synchronous"}, exitUsage, "only with --engine"},
		"nothing to bench":  {[]string{"bench", "-p", "0", "-n", "0"}, exitUsage, "nothing to measure"},
		"missing model":     {[]string{"inspect", missing}, exitFailed, "absent.gguf"},
		"garbage":           {[]string{"inspect", garbage}, exitFailed, "garbage.gguf"},
		"empty folder":      {[]string{"inspect", t.TempDir()}, exitFailed, "config.json"},
		"no cuda":           {[]string{"plan", "--device", "cuda"}, exitFailed, "cuda"},
		"dtype not on cpu":  {[]string{"plan", "--kv-cache-dtype", "fp8"}, exitFailed, "fp8"},
		"missing config":    {[]string{"inspect", "--config", missing}, exitUsage, "absent.gguf"},
		"open to the world": {[]string{"serve", "--host", "0.0.0.0", "--port", "0"}, exitUsage, "--api-key"},
		"port out of range": {[]string{"serve", "--port", "65536"}, exitUsage, "--port"},
		"host with port":    {[]string{"serve", "--host", "127.0.0.1:8000"}, exitUsage, "must be an address or a name alone"},
		"host of a URL":     {[]string{"serve", "--host", "[::1]"}, exitUsage, "must be an address or a name alone"},
		"no host":           {[]string{"serve", "--host", ""}, exitUsage, "must be an address or a name alone"},
		"origin with path":  {[]string{"serve", "--allowed-origins", "http://a,https://b/"}, exitUsage, `--allowed-origins: "https://b/" is no origin as browsers write it: that is https://b`},
		"no origin":         {[]string{"serve", "--allowed-origins", "localhost:3000"}, exitUsage, "write scheme://host[:port]"},
		"prompt as model":   {[]string{"run", "what is 1+1?"}, exitUsage, "trona run demo"},
		"run no model":      {[]string{"run", missing, "hi"}, exitFailed, "absent.gguf"},
		"think maybe":       {[]string{"run", "--think", "maybe", "demo", "hi"}, exitUsage, `--think: want one of "on","off", not "maybe" (see`},
		"no shape":          {[]string{"plan", "random:" + missing}, exitFailed, "random:FOLDER"},
		"random words":      {[]string{"run", "random:../../testdata/shapes/llama-1b", "hi"}, exitFailed, "tokenizer"},
		"empty MODEL":       {[]string{"plan", ""}, exitFailed, `no model ""`},
		"render no MODEL":   {[]string{"render", ""}, exitFailed, `no model ""`},
		"dash, no prompt":   {[]string{"run", "demo", "-"}, exitUsage, "there is no prompt"},
		"short text":        {[]string{"perplexity"}, exitFailed, "the text has 1 tokens, a chunk 512"},
		"tiny chunk":        {[]string{"perplexity", "-c", "3"}, exitUsage, "--ctx-size 3"},
		"long chunk":        {[]string{"perplexity", "-c", "131073"}, exitFailed, "--ctx-size 131073"},
		"long context":      {[]string{"plan", "--max-model-len", "131073"}, exitFailed, "--max-model-len 131073"},
		"no text":           {[]string{"perplexity", "-f", missing}, exitFailed, "absent.gguf"},
		"bad type":          {[]string{"quantize", "demo", missing, "--type", "Q9_9"}, exitUsage, "Q9_9"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := trona(t, "", test.args...)
			require.Equal(t, test.code, r.code, r.err)
			require.Empty(t, r.out)
			require.Contains(t, r.err, test.want)
			require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	require.Equal(t, "devel\n", ok(t, "", "--version"))
	require.Contains(t, ok(t, "", "serve", "--help"), "--kv-cache-memory")
	require.Equal(t, ok(t, "", "serve", "--help"), ok(t, "", "help", "serve"))
	require.Equal(t, ok(t, "", "--help"), ok(t, "", "help"))
}
