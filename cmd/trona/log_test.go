package main

import (
	"bufio"
	"fmt"
	"io"
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
