package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestStalledLog: a server whose stderr is a pipe that is full answers, and ends.
func TestStalledLog(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	_, err = unix.FcntlInt(writer.Fd(), unix.F_SETPIPE_SZ, 4096)
	require.NoError(t, err)
	command := exec.Command(binary, "serve", "--port", "0", "--device", "cpu", "--max-model-len", "512", "--log-requests")
	command.Stderr = writer
	s := &serving{command: command, log: new(screen), ended: make(chan struct{})}
	s.launch(t)
	require.NoError(t, writer.Close())
	for lines := bufio.NewScanner(reader); s.url == "" && lines.Scan(); {
		if ready := readyLine.FindStringSubmatch(lines.Text() + "\n"); ready != nil {
			s.url = ready[1]
		}
	}
	for range 200 { // whose lines are more than 4 KiB together
		require.Equal(t, http.StatusOK, s.get(t, "/version"))
	}
	s.signal(t)
	require.Equal(t, exitDone, s.exit(t))
}
