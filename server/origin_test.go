package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server without keys answers to names that no other site can have.
func TestHosts(t *testing.T) {
	s := newServer(t, says(t, "ok"), func(o *Options) { o.Hosts = []string{"trona.internal"} })
	keyed := newServer(t, says(t, "ok"), func(o *Options) { o.APIKeys = []string{"secret"} })
	status := func(s *Server, host string, header ...string) int {
		r := httptest.NewRequest("POST", chatPath, strings.NewReader(`{`+hello+`}`))
		r.Host = host
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		documents().Handler(t, s).ServeHTTP(w, r)
		require.NotEmpty(t, w.Header().Get("X-Request-Id"))
		return w.Code
	}
	for host, want := range map[string]int{
		"": 200, "localhost": 200, "localhost:8000": 200, "LocalHost.": 200, "127.0.0.1": 200, "127.0.0.1:8000": 200, "[::1]:8000": 200, "[::1]": 200,
		"192.0.2.7:8000": 200, "[fe80::1%25eth0]:80": 200, "trona.internal": 200, "TRONA.internal:8000": 200,
		"evil.example": 421, "evil.example:8000": 421, "localhost.evil.example": 421, "evil.localhost": 421, "127.0.0.1.evil.example": 421,
		"x.trona.internal": 421, "user@localhost": 421, "localhost:8000:8000": 421, "0x7f000001": 421,
	} {
		require.Equal(t, want, status(s, host), "%q", host)
		// Where keys are set the host makes no difference.
		require.Equal(t, 401, status(keyed, host), "%q", host)
		require.Equal(t, 200, status(keyed, host, "Authorization", "Bearer secret"), "%q", host)
	}
	// A page that was rebound is of one origin with the server.
	require.Equal(t, 421, status(s, "evil.example:8000", "Origin", "http://evil.example:8000", "Sec-Fetch-Site", "same-origin"))
	for _, route := range s.table() {
		r := httptest.NewRequest(route.method, strings.Replace(route.path, "{id...}", "test", 1), nil)
		r.Host = "evil.example"
		w := httptest.NewRecorder()
		documents().Handler(t, s).ServeHTTP(w, r)
		// Probes may use what name they like, and learn no more than that it answers.
		require.Equal(t, map[bool]int{true: 200, false: 421}[route.open], w.Code, route.path)
	}
}
