//go:build unix

package tokenizer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Reading a pipe that nobody writes to would wait for ever.
func TestPipe(t *testing.T) {
	for _, name := range []string{
		"tokenizer.json", "tokenizer.model", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json",
		"chat_template.jinja", "additional_chat_templates/tool_use.jinja",
	} {
		folder := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(folder, "additional_chat_templates"), 0o700))
		if filepath.Ext(name) != ".model" {
			require.NoError(t, os.WriteFile(filepath.Join(folder, "tokenizer.model"), []byte("?"), 0o600))
		}
		path := filepath.Join(folder, name)
		require.NoError(t, unix.Mkfifo(path, 0o600))
		_, err := Open(folder)
		require.ErrorContains(t, err, name+" is no regular file", name)
	}
	alone := filepath.Join(t.TempDir(), "tokenizer.json")
	require.NoError(t, unix.Mkfifo(alone, 0o600))
	_, err := Open(alone)
	require.ErrorContains(t, err, "no regular file")
}
