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

// check wants "Authorization: Bearer KEY", once; routes of Anthropic take
// "x-api-key: KEY" too. The time it takes depends on the number of keys only.
func (k keyring) check(r *http.Request) error {
	if len(k) == 0 {
		return nil
	}
	refused := &apiError{
		status: http.StatusUnauthorized, kind: kindInvalid, code: codeAPIKey,
		message: "a valid API key is required: send the header Authorization: Bearer KEY",
	}
	headers := r.Header.Values("Authorization")
	if own := r.Header.Values("X-Api-Key"); len(headers) == 0 && len(own) == 1 && anthropicPath(r.URL.Path) {
		headers = []string{"Bearer " + own[0]}
	}
	if len(headers) != 1 {
		return refused
	}
	scheme, key, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return refused
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(key)))
	found := 0
	for i := range k {
		found |= subtle.ConstantTimeCompare(digest[:], k[i][:])
	}
	if found == 0 {
		return refused
	}
	return nil
}
