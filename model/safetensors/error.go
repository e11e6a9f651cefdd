package safetensors

import "fmt"

// Error says what is wrong with a file, and where.
type Error struct {
	File    string // as it was opened; empty: bytes in memory
	Field   string // "header length", or what of which tensor
	Offset  int64  // of the field or of what follows it, in bytes from the beginning of the file
	Message string
	// Err is the cause where there is one: io.ErrUnexpectedEOF where the file
	// ends too early.
	Err error
}

func (e *Error) Error() string {
	file := e.File
	if file == "" {
		file = "safetensors"
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
