package server

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// openAPI describes all routes, requests and answers of this package. It is
// written by hand; the tests hold it against the code in both directions.
//
//go:embed openapi.json
var openAPI string

// openapi serves GET /openapi.json.
func (s *Server) openapi(w http.ResponseWriter, r *http.Request) error {
	serveText(w, r, "application/json", openAPI)
	return nil
}

// docsPage shows the document in a browser. It is one file that loads nothing
// but the document.
//
//go:embed docs.html
var docsPage string

// docs serves GET /docs, and GET / for who opens the address that the server prints. The page is
// the same for everybody; it asks for a key where the document needs one.
func (s *Server) docs(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src "+inline(docsPage, "style")+"; script-src "+inline(docsPage, "script")+
		"; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	serveText(w, r, "text/html; charset=utf-8", docsPage)
	return nil
}

// inline returns what allows the one element of a page that has this name (CSP
// Level 3, section 2.3.1).
func inline(page, name string) string {
	_, text, _ := strings.Cut(page, "<"+name+">")
	text, _, _ = strings.Cut(text, "</"+name+">")
	digest := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'"
}

// serveText answers with a text that changes with the program only.
func serveText(w http.ResponseWriter, r *http.Request, media, text string) {
	digest := sha256.Sum256([]byte(text))
	tag := `"` + hex.EncodeToString(digest[:16]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // keep it, and ask whether it still holds
	if matchesTag(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", media)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(text)) // the client may be gone
}

// matchesTag reports whether a client has what a tag names (RFC 9110, section
// 13.1.2). No tag of this server holds a comma.
func matchesTag(headers []string, tag string) bool {
	for _, header := range headers {
		for given := range strings.SplitSeq(header, ",") {
			if given = strings.TrimSpace(given); given == "*" || strings.TrimPrefix(given, "W/") == tag {
				return true
			}
		}
	}
	return false
}
