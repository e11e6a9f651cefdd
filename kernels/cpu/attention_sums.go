package cpu

// attentionSums is what a span of positions gives some queries: D is dim rounded
// up to a multiple of 16.
type attentionSums struct {
	acc  []float32 // [queries, D]
	m, l []float32 // [queries]: maximum and sum so far
}

// reserve makes room for n queries, and for those that fill a pair of tiles.
func (s *attentionSums) reserve(n, wide int64) {
	n = upToPair(n)
	grow(&s.acc, n*wide)
	grow(&s.m, n)
	grow(&s.l, n)
}

// slice returns the sums of n queries.
func (s *attentionSums) slice(n, wide int64) attentionSums {
	return attentionSums{s.acc[:n*wide], s.m[:n], s.l[:n]}
}

// from returns the sums from query i on.
func (s *attentionSums) from(i, wide int64) *attentionSums {
	return &attentionSums{s.acc[i*wide:], s.m[i:], s.l[i:]}
}

// add joins the sums of later positions to those of earlier ones.
func (s *attentionSums) add(kern *variant, o *attentionSums) {
	wide := len(s.acc) / len(s.m)
	for i, m := range s.m {
		switch {
		case o.l[i] == 0: // nothing was seen
			continue
		case s.l[i] == 0:
			s.m[i], s.l[i] = o.m[i], o.l[i]
			copy(s.acc[i*wide:][:wide], o.acc[i*wide:])
			continue
		}
		mine, other := float32(1), float32(1)
		if o.m[i] > m {
			s.m[i], mine = o.m[i], exp(m-o.m[i])
		} else {
			other = exp(o.m[i] - m)
		}
		s.l[i] = float32(s.l[i]*mine) + float32(o.l[i]*other)
		kern.join(&s.acc[i*wide], &o.acc[i*wide], mine, other, wide)
	}
}
