package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// keyring holds the digests of the keys that may use the server; an empty one
// lets everybody in.
type keyring [][sha256.Size]byte

func newKeyring(keys []string) keyring {
	ring := make(keyring, len(keys))
	for i, key := range keys {
		ring[i] = sha256.Sum256([]byte(key))
	}
	return ring
}

// keyOf returns the key that a request carries, once: "Authorization: Bearer KEY",
// or without that "x-api-key: KEY", as Anthropic's clients send it to every route.
func keyOf(r *http.Request) (key string, ok bool) {
	headers, own := r.Header.Values("Authorization"), r.Header.Values("X-Api-Key")
	if len(headers) == 0 && len(own) == 1 {
		return own[0], true
	}
	if len(headers) != 1 {
		return "", false
	}
	scheme, key, _ := strings.Cut(headers[0], " ")
	return strings.TrimSpace(key), strings.EqualFold(scheme, "Bearer")
}

// check wants a valid key. The time it takes depends on the number of keys only.
func (k keyring) check(r *http.Request) error {
	if len(k) == 0 {
		return nil
	}
	refused := &apiError{
		status: http.StatusUnauthorized, kind: kindInvalid, code: codeAPIKey,
		message: "a valid API key is required: send the header Authorization: Bearer KEY",
	}
	key, ok := keyOf(r)
	if !ok {
		return refused
	}
	digest := sha256.Sum256([]byte(key))
	found := 0
	for i := range k {
		found |= subtle.ConstantTimeCompare(digest[:], k[i][:])
	}
	if found == 0 {
		return refused
	}
	return nil
}
