package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// goldenLines returns the lines of a packed file about the tokenizer of our own.
func goldenLines(t *testing.T, name string) []string {
	file, err := os.Open(testdata.Path(t, "tokenizer", "own-bpe", name+".jsonl.gz"))
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	data, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// TestTokenizeLines encodes and decodes strings of all scripts.
func TestTokenizeLines(t *testing.T) {
	path := testdata.Path(t, "tokenizer", "own-bpe", "tokenizer.json")
	var input strings.Builder
	texts := goldenLines(t, "strings")
	want := goldenLines(t, "ids")
	require.Len(t, want, len(texts))
	for i, line := range texts {
		var entry []string
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		text, err := json.Marshal(entry[len(entry)-1])
		require.NoError(t, err)
		input.Write(append(text, '\n'))
		texts[i] = entry[len(entry)-1]
	}
	encoded := ok(t, input.String(), "tokenize", path, "--jsonl")
	got := strings.Split(strings.TrimSuffix(encoded, "\n"), "\n")
	require.Len(t, got, len(want))
	for i := range want {
		require.JSONEq(t, want[i], got[i], "%q", texts[i])
	}
	decoder := json.NewDecoder(strings.NewReader(ok(t, encoded, "tokenize", path, "--jsonl", "--decode")))
	for _, text := range texts {
		var back string
		require.NoError(t, decoder.Decode(&back))
		require.Equal(t, text, back)
	}
}

func TestTokenizeSpecial(t *testing.T) {
	folder := testdata.Path(t, "tokenizer", "own-bpe")
	ids := func(list []int) string {
		words := make([]string, len(list))
		for i, id := range list {
			words[i] = strconv.Itoa(id)
		}
		return strings.Join(words, " ") + "\n"
	}
	for _, line := range goldenLines(t, "special")[:20] {
		var want struct {
			Text       string
			Parse      []int  `json:"parse_special"`
			Plain      []int  `json:"no_parse_special"`
			WithBOS    []int  `json:"with_bos"`
			DecodeKeep string `json:"decode_keep"`
			DecodeSkip string `json:"decode_skip"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &want))
		require.Equal(t, ids(want.Plain), ok(t, want.Text, "tokenize", folder))
		require.Equal(t, ids(want.Parse), ok(t, want.Text, "tokenize", folder, "--special"))
		require.Equal(t, ids(want.WithBOS), ok(t, want.Text, "tokenize", folder, "--special", "--bos"))
		require.Equal(t, want.DecodeSkip, ok(t, ids(want.Parse), "tokenize", folder, "--decode"))
		require.Equal(t, want.DecodeKeep, ok(t, ids(want.Parse), "tokenize", folder, "--decode", "--special"))
	}
}

// TestTokenizeBytes encodes what is no UTF-8 and gets the bytes back.
func TestTokenizeBytes(t *testing.T) {
	r := trona(t, "a\x80\xffb", "tokenize")
	require.Equal(t, exitDone, r.code, r.err)
	require.Equal(t, 4, len(strings.Fields(r.out)))
}

func TestTokenizeErrors(t *testing.T) {
	for name, test := range map[string]struct {
		input string
		args  []string
		code  int
		want  string
	}{
		"no string":      {"{}\n", []string{"--jsonl"}, exitFailed, "line 1: want a JSON string"},
		"half a pair":    {"\"a\"\n\"\\ud800\"\n", []string{"--jsonl"}, exitFailed, "line 2: want a JSON string"},
		"no UTF-8":       {"\"\xff\"\n", []string{"--jsonl"}, exitFailed, "line 1: want a JSON string"},
		"no ids":         {"[1, \"x\"]\n", []string{"--jsonl", "--decode"}, exitFailed, "line 1: want a JSON array of ids"},
		"beyond":         {"[999999]\n", []string{"--jsonl", "--decode"}, exitFailed, "there is no token 999999"},
		"negative":       {"-1", []string{"--decode"}, exitFailed, "there is no token -1"},
		"word":           {"12 x", []string{"--decode"}, exitFailed, `"x" is not a token id`},
		"begin of ids":   {"", []string{"--decode", "--bos"}, exitUsage, "--bos"},
		"no such folder": {"", []string{filepath.Join("absent", "tokenizer.json")}, exitFailed, "absent"},
	} {
		t.Run(name, func(t *testing.T) {
			r := trona(t, test.input, append([]string{"tokenize"}, test.args...)...)
			require.Equal(t, test.code, r.code, r.err)
			require.Contains(t, r.err, test.want)
			require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
		})
	}
}

// TestLinesFlow answers each line before the next one comes.
func TestLinesFlow(t *testing.T) {
	in, feed := io.Pipe()
	read, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"tokenize", "--jsonl"}, stdio{in, out, io.Discard})
		out.Close()
	}()
	buffer := make([]byte, 1024)
	for range 3 {
		_, err := feed.Write([]byte("\"hello\"\n\n"))
		require.NoError(t, err)
		n, err := read.Read(buffer)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(buffer, []byte("[")) && buffer[n-1] == '\n', "%q", buffer[:n])
	}
	require.NoError(t, feed.Close())
	require.Equal(t, exitDone, <-code)
}
