package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxIgnored bounds the names in x-trona-ignored.
const maxIgnored = 32

// headerStrict is true or false: whether fields without effect are errors.
const headerStrict = "X-Trona-Strict"

// strict reports whether a field without effect makes a request an error.
func (s *Server) strict(r *http.Request) bool {
	if asked := r.Header.Get(headerStrict); asked != "" {
		return asked != "false"
	}
	return s.options.Strict
}

// noteIgnored tells the client which fields have no effect. Where the request
// is read strictly the first of them is an error.
func (j *job) noteIgnored(w http.ResponseWriter, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	slices.Sort(paths)
	if j.strict {
		return invalid(shorten(paths[0]), "has no effect with this server and model, and the request is read strictly")
	}
	names := make([]string, 0, maxIgnored)
	for _, p := range paths[:min(len(paths), maxIgnored)] {
		names = append(names, strings.Map(headerRune, fmt.Sprintf("%.64s", p)))
	}
	if len(paths) > maxIgnored {
		names = append(names, "...")
	}
	w.Header().Set("X-Trona-Ignored", strings.Join(names, ", "))
	return nil
}

// headerRune replaces what does not belong into a list in a header.
func headerRune(r rune) rune {
	if r <= ' ' || r >= 0x7f || r == ',' {
		return '?'
	}
	return r
}
