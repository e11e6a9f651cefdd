package tokenizer

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// readFile returns the content of a file, unpacked where its name ends in .gz.
func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	if strings.HasSuffix(path, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(data))
		require.NoError(t, err)
		data, err = io.ReadAll(r)
		require.NoError(t, err)
	}
	return data
}

// readLines returns the values of a file with one JSON value a line.
func readLines[T any](t testing.TB, path string) []T {
	t.Helper()
	var values []T
	for line := range bytes.Lines(readFile(t, path)) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var v T
			require.NoError(t, json.Unmarshal(line, &v), "%s", line)
			values = append(values, v)
		}
	}
	require.NotEmpty(t, values)
	return values
}

// namedText is an input of the benchmarks.
type namedText struct{ name, text string }

// speedTexts returns texts of about 1 MiB: two ordinary ones and runs that
// make one word, on which merging is hard.
func speedTexts(t testing.TB) []namedText {
	t.Helper()
	texts := []namedText{}
	for _, name := range []string{"english-code", "multi-script"} {
		data := readFile(t, testdata.Shared(t, "tokenizer-goldens", "perf", name+".txt.gz"))
		texts = append(texts, namedText{name, string(data)})
	}
	for _, run := range runs {
		texts = append(texts, namedText{run.name, strings.Repeat(run.text, 1<<20/len(run.text))})
	}
	return texts
}

// runs are what long runs are made of.
var runs = []namedText{
	{"letter", "a"}, {"space", " "}, {"newline", "\n"}, {"crlf", "\r\n"}, {"emoji", "\U0001f642"},
	{"digits", "7"}, {"punct", "="}, {"marks", "\u0301"}, {"zwj", "\U0001f469\u200d"}, {"cjk", "\u5b57"}, {"invalid", "\x80"},
}
