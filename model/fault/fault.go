// Package fault is how the formats of checkpoints say what is wrong with a file.
package fault

import (
	"errors"
	"fmt"
	"io"
)

// Error says what is wrong with a file, and where.
type Error struct {
	File    string // as it was opened, or the name of the format: bytes in memory
	Field   string // "version", a key, or what of which tensor
	Offset  int64  // of the field or of what follows it, in bytes from the beginning of the file
	Message string
	// Err is the cause where there is one: io.ErrUnexpectedEOF where the file
	// ends too early.
	Err error
}

func (e *Error) Error() string {
	message := e.Message
	switch {
	case errors.Is(e.Err, io.ErrUnexpectedEOF):
		message += ": the file ends too early; was it downloaded whole?"
	case e.Err != nil:
		message += ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s: %s (byte %d): %s", e.File, e.Field, e.Offset, message)
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Name quotes a name from a file for a message and cuts it where it is long.
func Name[T string | []byte](name T) string {
	const most = 80
	if len(name) > most {
		return fmt.Sprintf("%.*q...", most, name)
	}
	return fmt.Sprintf("%q", name)
}
