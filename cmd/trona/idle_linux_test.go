package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// processorTime returns the ticks that a server's threads have run (proc(5), stat).
func (s *serving) processorTime(t *testing.T) (ticks int) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	require.NoError(t, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, field := range fields[11:13] { // of the program and of the system
		var n int
		_, err := fmt.Sscan(field, &n)
		require.NoError(t, err)
		ticks += n
	}
	return ticks
}

// TestIdle: a server that has answered costs no processor time while it waits.
func TestIdle(t *testing.T) {
	s := start(t, "--device", "cpu", "--threads", "4", "--max-model-len", "512")
	s.ask(t, "/v1/completions", object{"prompt": "Hello", "max_tokens": 20, "temperature": 0})
	require.Positive(t, s.processorTime(t))
	require.Eventually(t, func() bool {
		before := s.processorTime(t)
		time.Sleep(300 * time.Millisecond)
		return s.processorTime(t) == before
	}, 20*time.Second, time.Millisecond, "it is never at rest for 300 ms")
}
