package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestProgress shows a bar on a terminal once something takes its time.
func TestProgress(t *testing.T) {
	person, program := openPTY(t)
	s := watch(person)
	shown := 0
	p := newProgress(program, "loading x")
	p.before = func() { shown++ }
	p.start = time.Now().Add(time.Hour) // however slow this test is
	p.set(1<<20, 4<<20)
	require.Nil(t, p.bar, "within a second there is no bar")
	p.start = time.Now().Add(-progressDelay)
	p.set(2<<20, 4<<20)
	p.set(3<<20, 4<<20)
	s.wait(t, "loading x", 1)
	s.wait(t, "3.0 MiB / 4.0 MiB", 1)
	p.set(4<<20, 4<<20)
	p.stop()
	p.stop()
	require.Equal(t, 1, shown)

	var buffer bytes.Buffer
	p = newProgress(&buffer, "loading x")
	p.start = time.Now().Add(-progressDelay)
	p.set(1, 2)
	p.stop()
	require.Empty(t, buffer.String(), "no terminal, no bar")
}

// TestSpinner turns on a terminal and leaves nothing.
func TestSpinner(t *testing.T) {
	person, program := openPTY(t)
	s := watch(person)
	wait := startSpinner(program, "thinking")
	s.wait(t, "thinking", 2)
	wait.stop()
	wait.stop()
	s.wait(t, "\r\x1b[K", 1)

	require.NoError(t, unix.IoctlSetWinsize(int(person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 5, Col: 12}))
	startSpinner(program, "loading /a/long/path").stop()
	s.wait(t, "\u280b loading …\x1b[K", 1)
	t.Setenv("TERM", "dumb")
	startSpinner(program, "unseen").stop()
	require.NotContains(t, s.String(), "unseen")

	var buffer bytes.Buffer
	startSpinner(&buffer, "thinking").stop()
	require.Empty(t, buffer.String())
}
