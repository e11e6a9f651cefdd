//go:build !purego

package cpu

// variants lists what this processor can run, the best last.
func variants() []variant { return []variant{generic()} }

// pause is the PAUSE instruction.
//
//go:noescape
func pause()
