package engine

import (
	"math/bits"
	"time"
)

// How long a step may take before it counts as stuck.
const (
	defaultStall = 10 * time.Second
	stallFactor  = 10              // times what steps of its size took
	firstStall   = 5 * time.Minute // while nothing is known
)

// pulse tells whether steps make progress. How long they take is learned by
// their size, in powers of two: a long prompt is no standstill.
type pulse struct {
	since   time.Time         // the last change
	rows    int               // of the step in progress; 0: none is
	waits   bool              // for another engine's step, whose pulse tells of it
	typical [32]time.Duration // of steps of 2^(i-1) to 2^i - 1 rows
}

// begin notes that a step begins, or what else is a sign of life (0 rows).
func (p *pulse) begin(now time.Time, rows int) { p.since, p.rows = now, rows }

// end notes that a step has ended. A slower one counts at once, faster ones by
// and by.
func (p *pulse) end(now time.Time) {
	t := &p.typical[p.class()]
	took := max(now.Sub(p.since), 1)
	*t = max(took, *t-(*t-took)/8)
	p.begin(now, 0)
}

func (p *pulse) class() int { return min(bits.Len(uint(p.rows)), len(p.typical)-1) }

// limit returns how long the present state may last.
func (p *pulse) limit(stall time.Duration) time.Duration {
	if p.rows == 0 {
		return stall
	}
	c := p.class()
	for i := c; i >= 0; i-- { // rows cost at most what they cost in smaller steps
		if t := p.typical[i]; t > 0 {
			return max(stall, stallFactor*t<<(c-i))
		}
	}
	for _, t := range p.typical[c:] {
		if t > 0 {
			return max(stall, stallFactor*t)
		}
	}
	return max(stall, firstStall)
}

// stuck returns how long nothing happened, if that is too long.
func (p *pulse) stuck(now time.Time, stall time.Duration) (time.Duration, bool) {
	still := now.Sub(p.since)
	return still, !p.waits && still > p.limit(stall)
}
