package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a pseudoterminal: what a person has, and what a
// program has.
func openPTY(t *testing.T) (person, program *os.File) {
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudoterminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	require.NoError(t, unix.IoctlSetWinsize(int(person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 200}))
	return person, program
}

// watch collects what a program shows on a terminal.
func watch(from io.Reader) *screen {
	s := new(screen)
	go func() {
		// The other end is closed when the program has ended.
		_, _ = io.Copy(s, from)
	}()
	return s
}

// raw reports whether keys reach the program as they are pressed.
func raw(terminal *os.File) bool {
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	return err == nil && state.Lflag&unix.ICANON == 0
}

func TestPrompt(t *testing.T) {
	person, program := openPTY(t)
	watch(person)
	p := newPrompt(program, program)
	type line struct {
		text string
		err  error
	}
	tests := []struct {
		keys, text string
		err        error
	}{
		{"hello\r", "hello", nil},
		{"helo\x1b[Dl\r", "hello", nil}, // arrow left
		{"typed\x03", "", errInterrupted},
		{"\x03", "", errInterrupted},
		{"next\r", "next", nil},
		{"\x1b[A\r", "next", nil}, // arrow up
		{"\x1b[200~one\rtwo\x1b[201~\r", "one\ntwo", nil},
		{"größe\r\x03", "größe", nil}, // the line was complete
		{"", "", errInterrupted},
		{"\x04", "", io.EOF},
	}
	for _, test := range tests {
		done := make(chan line, 1)
		go func() {
			text, err := p.read()
			done <- line{text, err}
		}()
		require.Eventually(t, func() bool { return raw(program) || test.keys == "" }, time.Minute, time.Millisecond)
		_, err := person.WriteString(test.keys)
		require.NoError(t, err)
		select {
		case got := <-done:
			require.Equal(t, test.text, got.text, "%q", test.keys)
			require.ErrorIs(t, got.err, test.err)
		case <-time.After(time.Minute):
			t.Fatalf("%q: nothing was read", test.keys)
		}
	}
}

// terminal is `trona run` in a terminal of its own.
type terminal struct {
	*screen
	t      *testing.T
	person *os.File
	ended  chan error
}

func runInTerminal(t *testing.T, args ...string) *terminal {
	person, program := openPTY(t)
	c := &terminal{screen: watch(person), t: t, person: person, ended: make(chan error, 1)}
	command := exec.Command(binary, append([]string{"run"}, args...)...)
	command.Stdin, command.Stdout, command.Stderr = program, program, program
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, command.Start())
	go func() { c.ended <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() }) // it may have ended
	return c
}

// say types a line where the program waits for one.
func (c *terminal) say(line string) {
	c.t.Helper()
	c.ready()
	c.press(line + "\r")
}

// ready waits until the program waits for a line.
func (c *terminal) ready() {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return raw(c.person) }, time.Minute, time.Millisecond, "it does not wait for a line: %s", c)
}

// exits waits until the program ends, which it must do well.
func (c *terminal) exits() {
	c.t.Helper()
	select {
	case err := <-c.ended:
		require.NoError(c.t, err)
	case <-time.After(time.Minute):
		c.t.Fatalf("it has not ended: %s", c)
	}
}

func (c *terminal) press(keys string) {
	c.t.Helper()
	_, err := c.person.WriteString(keys)
	require.NoError(c.t, err)
}

func (c *terminal) count(text string) int { return strings.Count(c.String(), text) }

// answers says a line and waits for the speed of the answer.
func (c *terminal) answers(line string) {
	c.t.Helper()
	before := c.count("tokens/s; prompt")
	c.say(line)
	c.wait(c.t, "tokens/s; prompt", before+1)
}

const dimmed = "\x1b[2m"

func TestChat(t *testing.T) {
	c := runInTerminal(t, "demo", "--temperature", "0", "--max-model-len", "4096")
	c.say("/think on")
	c.wait(t, "loading demo", 1)
	c.answers("What is 12 + 30?")
	require.Equal(t, 1, c.count(dimmed))
	c.say("/think off")
	c.answers("What is 12 + 30?")
	require.Equal(t, 1, c.count(dimmed), "no reasoning")
	c.say("/think on")
	c.say("/clear")
	c.answers("What is 12 + 30?")
	require.Equal(t, 2, c.count(dimmed))
	c.say("/sing")
	c.wait(t, "/sing is no command", 1)
	c.say("/help")
	c.wait(t, "forget the conversation", 1)
	c.say("/bye")
	c.exits()
}

// TestDumbChat chats on a terminal that knows no escape sequences, and without
// styles on one that does.
func TestDumbChat(t *testing.T) {
	flags := []string{"demo", "--temperature", "0", "--max-model-len", "2048", "--think", "on"}
	t.Setenv("NO_COLOR", "1")
	c := runInTerminal(t, flags...)
	c.answers("What is 12 + 30?")
	require.Zero(t, c.count(dimmed))
	c.say("/bye")
	c.exits()

	t.Setenv("TERM", "dumb")
	c = runInTerminal(t, flags...)
	c.wait(t, promptText, 1)
	c.press("What is 12 + 30?\n")
	c.wait(t, "tokens/s; prompt", 1)
	c.wait(t, promptText, 2)
	c.press("\x04")
	c.exits()
	require.NotContains(t, c.String(), "\x1b")
}

// TestInterrupt presses Ctrl-C in answers: they end, the program does not.
func TestInterrupt(t *testing.T) {
	const spins, speed, stopped = "\u280b", "tokens/s; prompt", "[stopped]"
	c := runInTerminal(t, "demo", "--temperature", "2", "--seed", "1", "--max-model-len", "8192", "--think", "off")
	for range 50 { // an answer may be over before the key is pressed
		c.ready()
		spun, ended := c.count(spins), c.count(speed)
		c.say("Count from 1 to 300.")
		require.Eventually(t, func() bool { return c.count(spins) > spun || c.count(speed) > ended }, time.Minute, time.Millisecond)
		c.press("\x03")
		require.Eventually(t, func() bool { return c.count(stopped) > 0 || c.count(speed) > ended }, time.Minute, time.Millisecond)
		if c.count(stopped) > 0 {
			break
		}
	}
	require.Positive(t, c.count(stopped), "no answer was stopped")
	c.answers("hello")
	c.ready()
	again := c.count("Ctrl-C again")
	c.press("\x03")
	c.wait(t, "Ctrl-C again", again+1)
	c.press("\x03")
	c.exits()
}
