package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPulse(t *testing.T) {
	const stall = 10 * time.Second
	var p pulse
	now := time.Unix(1_700_000_000, 0)
	after := func(d time.Duration) time.Time { now = now.Add(d); return now }
	limit := func(rows int) time.Duration {
		p.begin(now, rows)
		return p.limit(stall)
	}
	require.Equal(t, stall, limit(0), "between steps")
	require.Equal(t, firstStall, limit(1), "nothing is known of steps")

	p.begin(now, 8)
	p.end(after(3 * time.Second))
	require.Equal(t, 30*time.Second, limit(8))
	require.Equal(t, 30*time.Second, limit(15), "of its size")
	require.Equal(t, 2*30*time.Second, limit(16), "twice the rows take at most twice as long")
	require.Equal(t, 64*30*time.Second, limit(512))
	require.Equal(t, 30*time.Second, limit(1), "fewer rows take no longer")

	p.begin(now, 512) // a long prompt was faster than that
	p.end(after(20 * time.Second))
	require.Equal(t, 200*time.Second, limit(512))
	require.Equal(t, 60*time.Second, limit(16))

	for range 40 { // faster steps count by and by
		p.begin(now, 8)
		p.end(after(10 * time.Millisecond))
	}
	require.Equal(t, stall, limit(8))
	p.begin(now, 9)
	p.end(after(5 * time.Second)) // slower ones at once
	require.Equal(t, 50*time.Second, limit(8))

	p.begin(now, 0)
	_, stuck := p.stuck(after(stall), stall)
	require.False(t, stuck)
	still, stuck := p.stuck(after(1), stall)
	require.True(t, stuck)
	require.Equal(t, stall+1, still)
}
