package cpu

// ahead is what will be read soon: one stretch of memory or two, prefetched in parts.
type ahead struct {
	at          [2]uintptr // 0: nothing
	bytes       int        // of each
	parts, done int
}

// prefetch asks for the next part.
func (a *ahead) prefetch() {
	if a.done == a.parts {
		return
	}
	from, to := a.bytes*a.done/a.parts&^63, a.bytes
	if a.done++; a.done < a.parts {
		to = a.bytes * a.done / a.parts &^ 63
	}
	for _, at := range a.at {
		if at != 0 && to > from {
			prefetch(pointer(at+uintptr(from)), to-from)
		}
	}
}
