package tokenizer

import (
	"maps"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// TestPipelines: normalizers and pre-tokenizers of every kind, with the ids that the
// reference gives.
func TestPipelines(t *testing.T) {
	files := map[string]object{"bpe": bpeFile(t), "spm": spmFile(t)}
	for _, c := range readLines[struct {
		Name       string              `json:"name"`
		Vocabulary string              `json:"vocabulary"`
		Change     object              `json:"change"`
		Texts      [][2]jsontext.Value `json:"texts"`
	}](t, testdata.Path(t, "tokenizer", "pipelines", "cases.jsonl.gz")) {
		t.Run(c.Vocabulary+" "+c.Name, func(t *testing.T) {
			file := maps.Clone(files[c.Vocabulary])
			maps.Copy(file, c.Change)
			tok, err := fromObject(t, file)
			require.NoError(t, err)
			for _, pair := range c.Texts {
				var text string
				var want []int32
				require.NoError(t, json.Unmarshal(pair[0], &text))
				require.NoError(t, json.Unmarshal(pair[1], &want))
				require.Equal(t, want, tok.Encode(text, EncodeOptions{ParseSpecial: true}), "%q", text)
			}
		})
	}
}
