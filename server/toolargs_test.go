package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWholeArguments(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                          `{}`,
		` {"b": 1.50, "a": [1, {}]} `: ` {"b": 1.50, "a": [1, {}]} `,
		`{"x": 1, "x": 2}`:            `{"x":2}`,
		`{"x": 1, "y": 9007199254740993, "\u0078": {"z": 1, "z": [{"q": 0, "q": 1}], "z": 3.0}, "w": null}`: `{"y":9007199254740993,"x":{"z":3.0},"w":null}`,
		`{"a": [{"q": 0, "q": 1}, {"q": 2}], "q": {"a": 1}, "a b": "a", "c": "a", "c": "c"}`:                `{"a":[{"q":1},{"q":2}],"q":{"a":1},"a b":"a","c":"c"}`,
		`{"x": "\ud83d", "\ud83d": "\ud83d\ude00", "\ude00": "<\u0007"}`:                                    "{\"x\":\"\ufffd\",\"\ufffd\":\"<\\u0007\"}",
		`{"x": 1, "x": 2`:                       "",
		`{"x": 1, "x": 2} {}`:                   "",
		`{"x": "\ud83`:                          "",
		`{"x": 1,}`:                             "",
		`[{"x": 1, "x": 2}]`:                    "",
		``:                                      "",
		`{"x": 1, "x": ` + nest(maxToolDepth-1): `{"x":` + nest(maxToolDepth-1),
		`{"x": 1, "x": ` + nest(maxToolDepth):   "",
	} {
		require.Equal(t, want, string(wholeArguments(text)), text)
	}
}

// nest is lists within each other, and the end of an object.
func nest(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
}
