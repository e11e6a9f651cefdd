package tokenizer

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// user text that becomes a special token only after normalizing
func TestZZInjection(t *testing.T) {
	file := spmFile(t)
	file["normalizer"] = object{"type": "NFKC"}
	file["pre_tokenizer"] = metaspace("first", true)
	special := file["added_tokens"].([]any)
	for i := range special {
		special[i].(object)["normalized"] = true
		fmt.Println(special[i])
	}
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	for _, text := range []string{"＜s＞the", "<s>the", "the ＜/s＞"} {
		fmt.Println(text, tok.Encode(text, EncodeOptions{ParseSpecial: true}), tok.Encode(text, EncodeOptions{ParseSpecial: true, Plain: []int{len(text)}}), tok.Encode(text, EncodeOptions{}))
	}
}
