package main

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFewFiles: clients that keep more connections open than the process may have files do
// not shut out others.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	s := beginCommand(t, exec.Command("sh", "-c", `ulimit -n 64 && exec "$0" serve --port 0 --device cpu --max-model-len 512`, binary))
	s.find(t, readyLine)
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		require.NoError(t, err)
		defer c.Close()
		fmt.Fprint(c, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
		answer := make([]byte, 1024)
		n, err := c.Read(answer)
		require.NoError(t, err)
		require.Contains(t, string(answer[:n]), "200 OK")
	}
	require.Equal(t, http.StatusOK, s.get(t, "/health"))
}
