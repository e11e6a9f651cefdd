package main

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hearHangups has commands that the test starts take SIGHUP as they do from a shell, also
// where the test itself runs under nohup, which they would inherit.
func hearHangups(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
}

// TestHangup closes the terminal of a server that answers, which sends SIGHUP
// once or twice: what is in flight finishes. Under nohup nothing happens.
func TestHangup(t *testing.T) {
	const finishing = "finishing what is in flight"
	hearHangups(t)
	for name, c := range map[string]struct {
		nohup         bool
		first, second syscall.Signal
		whole         bool // the answer
	}{
		"closed":             {false, syscall.SIGHUP, syscall.SIGHUP, true},
		"closed while ended": {false, syscall.SIGTERM, syscall.SIGHUP, true},
		"closed, then ended": {false, syscall.SIGHUP, syscall.SIGTERM, false},
		"nohup":              {true, syscall.SIGHUP, syscall.SIGTERM, true},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.Command(binary, "serve", "--port", "0", "--max-model-len", "100000", "--drain-timeout", "10m")
			if c.nohup {
				command = exec.Command("sh", append([]string{"-c", `trap "" HUP; exec "$@"`, "sh"}, command.Args...)...)
			}
			s := beginCommand(t, command)
			s.url = s.find(t, readyLine)
			tokens := 90_000 // more than it has the time for
			if c.whole {
				tokens = 800
			}
			// The server is there for the second signal, also where it is fast.
			endless, f := s.stream(t, long(90_000)), s.stream(t, long(tokens))
			s.send(t, c.first)
			if !c.nohup {
				s.log.wait(t, finishing, 1)
			}
			s.send(t, c.second)
			require.NoError(t, endless.body.Close())
			<-f.end
			require.NotNil(t, f.got)
			require.Equal(t, c.whole, f.got.done, f.got.problem)
			require.Equal(t, exitDone, s.exit(t), s.log)
			require.Equal(t, 1, strings.Count(s.log.String(), finishing))
		})
	}
}

// TestLogReaderGone: a server outlives who reads its log.
func TestLogReaderGone(t *testing.T) {
	log, end, err := os.Pipe()
	require.NoError(t, err)
	defer log.Close()
	s := &serving{command: exec.Command(binary, "serve", "--port", "0", "--max-model-len", "4096", "--drain-timeout", "10m"), log: new(screen), ended: make(chan struct{})}
	s.command.Stderr = end
	require.NoError(t, s.command.Start())
	require.NoError(t, end.Close())
	defer func() { _ = s.command.Process.Kill() }() // it has ended
	for lines := bufio.NewReader(log); s.url == ""; {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if m := readyLine.FindStringSubmatch(line); m != nil {
			s.url = m[1]
		}
	}
	f := s.stream(t, long(800))
	require.NoError(t, log.Close())
	s.signal(t)
	<-f.end
	require.NoError(t, f.err)
	require.True(t, f.got.done)
	require.NoError(t, s.command.Wait())
}

// TestQuantizeHangup: also a closed terminal leaves no half file.
func TestQuantizeHangup(t *testing.T) {
	hearHangups(t)
	folder := t.TempDir()
	command := exec.Command(binary, "quantize", "random:../../testdata/shapes/llama-1b", filepath.Join(folder, "out.gguf"), "--type", "Q4_K_M", "-t", "1")
	require.NoError(t, command.Start())
	files := func() int {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		return len(entries)
	}
	require.Eventually(t, func() bool { return files() > 0 }, time.Minute, time.Millisecond)
	require.NoError(t, command.Process.Signal(syscall.SIGHUP))
	require.Error(t, command.Wait())
	require.Equal(t, exitFailed, command.ProcessState.ExitCode())
	require.Zero(t, files())
}
