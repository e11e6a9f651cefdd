package server

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

const (
	headerRequestID   = "X-Request-Id"
	maxRequestIDBytes = 128
)

// requestID returns the caller's own id where it is sane, else a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(headerRequestID); saneID(id) {
		return id
	}
	return "req-" + randomHex()
}

// saneID reports whether an id is safe in logs and headers: 1 to 128 of
// A-Z a-z 0-9 . _ -
func saneID(id string) bool {
	if id == "" || len(id) > maxRequestIDBytes {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// randomHex returns 32 digits that no other request has.
func randomHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
