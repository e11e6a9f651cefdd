package engine

import "slices"

// Constraint says which tokens a request may draw, given those it has drawn. A
// grammar is one; so is a thinking budget, which in the end allows one token
// only. The engine calls it from one goroutine at a time, while the device
// computes, so that a mask that takes no longer than a step costs no time.
// A constraint that panics ends its request with ErrConstraint.
type Constraint interface {
	// Mask sets bit i%32 of word i/32 for each token i that may be drawn next.
	// dst is zero and covers the vocabulary; further bits do not matter. Where
	// nothing may be drawn the request ends with ErrConstraint.
	Mask(dst []uint32)
	// Accept takes the next token, which the last Mask allowed. Each token that
	// the stream gets is accepted once, before the next Mask; also where the
	// request is preempted and computed again. After false the request ends
	// with ErrConstraint.
	Accept(id int32) bool
	// Save returns the present place, and Restore comes back to it: tokens
	// that were only guessed are accepted in between.
	Save() any
	Restore(place any)
}

// AllowTokens allows these tokens and no others. Ids that no vocabulary has
// change nothing.
func AllowTokens(ids []int32) Constraint {
	a := allowed(slices.Clone(ids))
	slices.Sort(a)
	return a
}

// allowed is ids in ascending order.
type allowed []int32

func (a allowed) Mask(dst []uint32) {
	for _, id := range a {
		if id >= 0 && int(id>>5) < len(dst) {
			dst[id>>5] |= 1 << (id & 31)
		}
	}
}

func (a allowed) Accept(id int32) bool {
	_, ok := slices.BinarySearch(a, id)
	return ok
}

func (a allowed) Save() any   { return nil }
func (a allowed) Restore(any) {}

// hasBit reports whether a mask allows a token.
func hasBit(mask []uint32, id int32) bool {
	return id >= 0 && int(id>>5) < len(mask) && mask[id>>5]>>(id&31)&1 != 0
}

// ForbidSequences forbids that the last token of a sequence is drawn where the
// tokens drawn before are the others. Tokens of the prompt do not count. Empty
// sequences forbid nothing.
func ForbidSequences(sequences ...[]int32) Constraint {
	f := &forbidden{}
	for _, s := range sequences {
		if len(s) > 0 {
			f.sequences = append(f.sequences, slices.Clone(s))
			f.memory = max(f.memory, len(s)-1)
		}
	}
	return f
}

type forbidden struct {
	sequences [][]int32
	memory    int     // drawn tokens that matter
	last      []int32 // those
}

// bans reports whether a sequence forbids its last token now.
func (f *forbidden) bans(sequence []int32) bool {
	head := sequence[:len(sequence)-1]
	return len(f.last) >= len(head) && slices.Equal(f.last[len(f.last)-len(head):], head)
}

func (f *forbidden) Mask(dst []uint32) {
	for i := range dst {
		dst[i] = ^uint32(0)
	}
	for _, s := range f.sequences {
		if id := s[len(s)-1]; hasBit(dst, id) && f.bans(s) {
			dst[id>>5] &^= 1 << (id & 31)
		}
	}
}

func (f *forbidden) Accept(id int32) bool {
	for _, s := range f.sequences {
		if s[len(s)-1] == id && f.bans(s) {
			return false
		}
	}
	f.last = append(f.last, id)
	f.last = f.last[max(len(f.last)-f.memory, 0):]
	return true
}

func (f *forbidden) Save() any         { return slices.Clone(f.last) }
func (f *forbidden) Restore(place any) { f.last = place.([]int32) }

// AllOf allows what all of some constraints allow.
func AllOf(constraints ...Constraint) Constraint { return &allOf{parts: constraints} }

type allOf struct {
	parts []Constraint
	mask  []uint32 // of one part
}

func (a *allOf) Mask(dst []uint32) {
	if len(a.mask) < len(dst) {
		a.mask = make([]uint32, len(dst))
	}
	for i := range dst {
		dst[i] = ^uint32(0)
	}
	for _, part := range a.parts {
		mask := a.mask[:len(dst)]
		clear(mask)
		part.Mask(mask)
		for i := range dst {
			dst[i] &= mask[i]
		}
	}
}

func (a *allOf) Accept(id int32) bool {
	for _, part := range a.parts {
		if !part.Accept(id) {
			return false
		}
	}
	return true
}

func (a *allOf) Save() any {
	places := make([]any, len(a.parts))
	for i, part := range a.parts {
		places[i] = part.Save()
	}
	return places
}

func (a *allOf) Restore(place any) {
	for i, p := range place.([]any) {
		a.parts[i].Restore(p)
	}
}
