package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A log that nobody reads stops neither those who write to it nor the end; once
// it is read it says what it lacks.
func TestServerLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, out := io.Pipe()
		l := newServerLog(out)
		for i := range logLines + 11 {
			fmt.Fprintf(l, "%d\n", i)
			synctest.Wait()
		}
		began := time.Now()
		l.close()
		require.Equal(t, logGrace, time.Since(began))

		lines := bufio.NewScanner(reader)
		next := func() string {
			require.True(t, lines.Scan())
			return lines.Text()
		}
		require.Equal(t, "0", next())
		for i := 1; i <= logLines; i++ {
			require.Equal(t, fmt.Sprint(i), next())
		}
		require.Equal(t, "trona: 10 lines of the log are lost, for stderr was not read", next())
		fmt.Fprintln(l, "more")
		require.Equal(t, "more", next())
		began = time.Now()
		l.close()
		require.Zero(t, time.Since(began))
	})
}

// TestServerLogCounts: whatever the order of lines and losses, each is written or counted.
func TestServerLogCounts(t *testing.T) {
	const writers, each = 4, 2000
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			out := new(counter)
			l := newServerLog(out)
			for range writers {
				go func() {
					for range each {
						fmt.Fprintln(l, "line")
					}
				}()
			}
			synctest.Wait()
			require.Equal(t, writers*each, out.lines+out.lost)
			l.close()
		})
	}
}

// TestServerLogEnds: a line that comes behind the last keeps nobody waiting.
func TestServerLogEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, out := io.Pipe()
		l := newServerLog(out)
		fmt.Fprintln(l, "first")
		synctest.Wait()
		began := time.Now()
		ended := make(chan time.Duration)
		go func() {
			l.close()
			ended <- time.Since(began)
		}()
		synctest.Wait()
		fmt.Fprintln(l, "late")
		lines := bufio.NewScanner(reader)
		require.True(t, lines.Scan())
		require.True(t, lines.Scan())
		require.Equal(t, "late", lines.Text())
		require.Zero(t, <-ended)
	})
}

// counter counts lines, and those that are said to be lost.
type counter struct{ lines, lost int }

func (c *counter) Write(line []byte) (int, error) {
	text, lost := strings.CutSuffix(string(line), " lines of the log are lost, for stderr was not read\n")
	if !lost {
		c.lines++
		return len(line), nil
	}
	n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimPrefix(text, "trona: "), ",", ""))
	c.lost += n
	return len(line), err
}
