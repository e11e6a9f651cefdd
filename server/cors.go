package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// AnyOrigin in Options.Origins allows the pages of all origins.
const AnyOrigin = "*"

// exposedHeaders are those of answers that pages may read beside the ones that
// all may (Fetch, "CORS-safelisted response-header name").
const exposedHeaders = "ETag, Request-Id, Retry-After, Retry-After-Ms, X-Request-Id, X-Trona-Ignored, X-Trona-Model, X-Trona-Signals, X-Trona-Thinking"

// preflightSeconds is how long a browser may keep the answer to a preflight:
// as long as Chromium keeps any.
const preflightSeconds = "7200"

// CheckOrigin wants "*", or an origin exactly as browsers write it (RFC 6454,
// section 6.2): scheme://host[:port] in lower case, without the usual port.
// Another form of it would match nothing.
func CheckOrigin(text string) error {
	if text == AnyOrigin {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || !isHost(u.Hostname()) || !isPort(u.Port()) {
		return fmt.Errorf("%q is no origin: write scheme://host[:port], as in https://chat.example or http://localhost:3000, or * for all", text)
	}
	if written := writeOrigin(u); text != written {
		return fmt.Errorf("%q is no origin as browsers write it: that is %s", text, written)
	}
	return nil
}

// isHost reports whether a URL of a browser can have this host, without the
// brackets of an address.
func isHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	const digits = "0123456789"
	name := strings.TrimSuffix(host, ".")
	if strings.Trim(name[strings.LastIndexByte(name, '.')+1:], digits) == "" {
		return false // an address that lacks parts, which browsers complete
	}
	return strings.Trim(strings.ToLower(host), digits+"abcdefghijklmnopqrstuvwxyz-._") == ""
}

func isPort(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil
}

// writeOrigin returns the origin of a URL.
func writeOrigin(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + a.String() + "]"
	}
	port, _ := strconv.Atoi(u.Port()) // 0 where there is none
	if port == 0 || u.Scheme == "http" && port == 80 || u.Scheme == "https" && port == 443 {
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + host + ":" + strconv.Itoa(port)
}

// allowsOrigin reports whether a page of an allowed origin asks.
func (s *Server) allowsOrigin(r *http.Request) bool {
	given := r.Header.Values("Origin")
	return len(given) == 1 && (slices.Contains(s.options.Origins, given[0]) || slices.Contains(s.options.Origins, AnyOrigin))
}

// shareAnswer lets a page of an allowed origin read the answer, whatever it is.
// Credentials (cookies) are never allowed: the server has none.
func (s *Server) shareAnswer(h http.Header, r *http.Request) {
	if len(s.options.Origins) == 0 {
		return
	}
	h.Set("Vary", "Origin")
	if !s.allowsOrigin(r) {
		return
	}
	origin := r.Header.Get("Origin")
	if slices.Contains(s.options.Origins, AnyOrigin) {
		origin = AnyOrigin
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
}

// isPreflight reports whether a browser asks if a page of an allowed origin may
// send a request (Fetch, "CORS-preflight request"). No key comes with it.
func (s *Server) isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && s.allowsOrigin(r)
}

// preflight allows the methods of a route. Where there is none it allows what
// was asked for: the page is to read that there is none. All headers may be
// sent, since those of clients are many and an origin that is allowed is trusted.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) error {
	methods := r.Header.Get("Access-Control-Request-Method")
	if e, ok := s.endpoint(r); ok {
		methods = strings.Join(e.methods(), ", ")
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	h.Set("Access-Control-Max-Age", preflightSeconds)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
