package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// OpenAI's own JavaScript client works unchanged.
func TestOpenAIJavaScript(t *testing.T) { runNode(t, "openai-js", "/v1") }

// Anthropic's own JavaScript client works unchanged.
func TestAnthropicJavaScript(t *testing.T) { runNode(t, "anthropic-js", "") }

// The page /docs draws the whole document, and what it sends is answered.
func TestDocsPage(t *testing.T) {
	needNode(t, "node")
	s := start(t, "demo", "--max-model-len", "512")
	page := exec.Command("node", "--test", testdata.Path(t, "clients", "docs", "page.test.mjs"))
	page.Env = append(os.Environ(), "BASE_URL="+s.url)
	out, err := page.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// needNode returns what ends a test where something of Node.js is missing. The
// test is skipped, but not in CI.
func needNode(t *testing.T, tools ...string) (missing func(format string, args ...any)) {
	t.Helper()
	missing = t.Skipf
	if os.Getenv("CI") == "true" || os.Getenv("REQUIRE_NODE") == "1" {
		missing = t.Fatalf
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing("%s is absent: %v", tool, err)
		}
	}
	return missing
}

// runNode runs the tests of a client in testdata/clients; npm installs the
// client from its lock file.
func runNode(t *testing.T, name, base string) {
	t.Helper()
	missing := needNode(t, "node", "npm")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	// A copy, so that nothing is installed into the sources.
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS(testdata.Path(t, "clients", name))))
	require.NoError(t, os.RemoveAll(filepath.Join(folder, "node_modules")))
	install := exec.CommandContext(ctx, "npm", "ci", "--prefer-offline", "--fetch-retries=5", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		missing("npm ci: %v\n%s", err, out)
	}
	s := startForClients(t)
	client := exec.CommandContext(ctx, "node", "--test", "client.test.js")
	client.Dir = folder
	client.Env = append(os.Environ(), "BASE_URL="+s.url+base, "API_KEY="+clientKey)
	out, err := client.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Eventually(t, func() bool { return idle(t, s) }, time.Minute, 5*time.Millisecond)
}
