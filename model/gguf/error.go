package gguf

import (
	"fmt"
	"math"
	"math/bits"
)

// Error says what is wrong with a file, and where.
type Error struct {
	File    string // as it was opened; empty: bytes in memory
	Field   string // "version", a key, or what of which tensor
	Offset  int64  // of the field, in bytes from the beginning of the file
	Message string
	// Err is the cause where there is one: io.ErrUnexpectedEOF where the file
	// ends too early.
	Err error
}

func (e *Error) Error() string {
	file := e.File
	if file == "" {
		file = "GGUF"
	}
	message := e.Message
	if e.Err != nil {
		message += ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s: %s (byte %d): %s", file, e.Field, e.Offset, message)
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// short cuts a name for a message.
func short(name string) string {
	const most = 80
	if len(name) > most {
		return fmt.Sprintf("%.*q...", most, name)
	}
	return fmt.Sprintf("%q", name)
}

// multiply returns the product of two sizes, if it fits.
func multiply(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return int64(lo), hi == 0 && lo <= math.MaxInt64
}

// align rounds n up to a multiple of a power of two, if that fits.
func align(n, to int64) (int64, bool) {
	if n > math.MaxInt64-to {
		return 0, false
	}
	return (n + to - 1) &^ (to - 1), true
}
