package server

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/server/apitest"
)

func TestCheckOrigin(t *testing.T) {
	for _, good := range []string{
		"*", "https://chat.example", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:3000", "https://a.b-c.example:8443", "http://my_box", "http://10.0.0.1.example", "http://v2",
		"app://obsidian.md", "chrome-extension://abcdefgh", "capacitor://localhost", "http://xn--bcher-kva.example", "http://localhost:443",
	} {
		require.NoError(t, CheckOrigin(good), good)
	}
	for bad, want := range map[string]string{
		"":                               "write scheme://host[:port]",
		"null":                           "write scheme://",
		"localhost:3000":                 "write scheme://",
		"chat.example":                   "write scheme://",
		"//chat.example":                 "write scheme://",
		"file://":                        "write scheme://",
		"https:///x":                     "write scheme://",
		"https://":                       "write scheme://",
		"https://*.example":              "write scheme://",
		"http://localhost:*":             "write scheme://",
		"http://localhost:99999999999":   "write scheme://",
		"http://localhost:65536":         "write scheme://",
		"http://192.168.1:3000":          "write scheme://",
		"http://192.168.1.1.:3000":       "write scheme://",
		"http://.":                       "write scheme://",
		"http://[fe80::1%25eth0]":        "write scheme://",
		"http://b\u00fccher.example":     "write scheme://",
		"http://a.example, http://b":     "write scheme://",
		"[\"*\"]":                        "write scheme://",
		" https://chat.example":          "write scheme://",
		"https://chat.example/":          "that is https://chat.example",
		"https://chat.example/path":      "that is https://chat.example",
		"https://chat.example?q":         "that is https://chat.example",
		"https://chat.example#f":         "that is https://chat.example",
		"https://user@chat.example":      "that is https://chat.example",
		"https://Chat.Example":           "that is https://chat.example",
		"HTTPS://chat.example":           "that is https://chat.example",
		"https://chat.example:443":       "that is https://chat.example",
		"http://chat.example:80":         "that is http://chat.example",
		"http://chat.example:":           "that is http://chat.example",
		"http://localhost:03000":         "that is http://localhost:3000",
		"http://[0:0:0:0:0:0:0:1]:3000":  "that is http://[::1]:3000",
		"https://chat.example:8443/v1":   "that is https://chat.example:8443",
		"http://localhost:3000,http://b": "write scheme://",
	} {
		require.ErrorContains(t, CheckOrigin(bad), want, bad)
	}
}

const ours, theirs = "https://chat.example", "https://other.example"

func allow(origins ...string) func(*Options) { return func(o *Options) { o.Origins = origins } }

// Pages of an allowed origin may read every answer, and what stands in its
// headers; those of others learn nothing that they did not without.
func TestSharedAnswers(t *testing.T) {
	// Headers that mean nothing to a page, or that any may read.
	others := []string{
		"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary", "X-Content-Type-Options", "Content-Security-Policy", "X-Accel-Buffering",
		"Connection", "Allow", "Www-Authenticate", "Cache-Control", "Content-Type",
	}
	exposed := strings.Split(exposedHeaders, ", ")
	seen := map[int]bool{}
	provokeAll(t, func(o apitest.Operation, status int, p provoked) {
		p.server.options.Origins = []string{"http://localhost:3000", ours}
		from, shared := ours, ours
		if status == http.StatusForbidden {
			from, shared = theirs, ""
		}
		w := p.ask(t, o, "Origin", from, "Sec-Fetch-Site", "cross-site")
		require.Equal(t, status, w.Code, "%s %s: %s", o.Method, o.Path, w.Body)
		require.Equal(t, shared, w.Header().Get("Access-Control-Allow-Origin"))
		require.Contains(t, w.Header().Values("Vary"), "Origin")
		require.Empty(t, w.Header().Get("Access-Control-Allow-Credentials"))
		if shared == "" {
			require.Empty(t, w.Header().Get("Access-Control-Expose-Headers"))
			return
		}
		require.Equal(t, exposedHeaders, w.Header().Get("Access-Control-Expose-Headers"))
		for name := range w.Header() {
			is := func(n string) bool { return strings.EqualFold(n, name) }
			require.True(t, slices.ContainsFunc(exposed, is) || slices.ContainsFunc(others, is), "%d: %s", status, name)
		}
		seen[status] = true
	})
	require.Subset(t, slices.Collect(maps.Keys(seen)), []int{200, 304, 400, 401, 404, 408, 413, 415, 421, 429, 500, 503})
}

// TestOrigins asks from pages of several origins.
func TestOrigins(t *testing.T) {
	none, two, all := newServer(t, says(t, "ok")), newServer(t, says(t, "ok"), allow(ours, "app://obsidian.md")), newServer(t, says(t, "ok"), allow(AnyOrigin))
	for _, c := range []struct {
		s      *Server
		header []string
		status int
		shared string
	}{
		{none, nil, 200, ""},
		{none, []string{"Origin", ours}, 403, ""},
		{two, nil, 200, ""},
		{two, []string{"Origin", ours}, 200, ours},
		{two, []string{"Origin", "app://obsidian.md", "Sec-Fetch-Site", "cross-site"}, 200, "app://obsidian.md"},
		{two, []string{"Origin", "http://localhost", "Sec-Fetch-Site", "same-origin"}, 200, ""},
		{two, []string{"Origin", theirs}, 403, ""},
		{two, []string{"Origin", "null"}, 403, ""},
		{two, []string{"Origin", ours + "/"}, 403, ""},
		{two, []string{"Origin", ours + ".evil.example"}, 403, ""},
		{two, []string{"Origin", "http://chat.example"}, 403, ""},
		{two, []string{"Origin", ours + ":8443"}, 403, ""},
		{two, []string{"Origin", "https://CHAT.example"}, 403, ""},
		{two, []string{"Origin", "*"}, 403, ""},
		{two, []string{"Origin", ours + ", " + theirs}, 403, ""},
		{two, []string{"Origin", theirs, "Origin", ours}, 403, ""},
		{two, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{all, nil, 200, ""},
		{all, []string{"Origin", theirs}, 200, "*"},
		{all, []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, 200, "*"},
		{all, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
	} {
		for _, stream := range []string{"false", "true"} {
			w, _ := call(t, c.s, "POST", chatPath, `{`+hello+`,"stream":`+stream+`}`, c.header...)
			require.Equal(t, c.status, w.Code, c.header)
			require.Equal(t, c.shared, w.Header().Get("Access-Control-Allow-Origin"), c.header)
			require.Equal(t, c.s != none, w.Header().Get("Vary") == "Origin")
		}
		w, _ := call(t, c.s, "GET", "/v1/models", "", c.header...) // a page that may not read it may cause it, as ever
		require.Equal(t, 200, w.Code)
		require.Equal(t, c.shared, w.Header().Get("Access-Control-Allow-Origin"), c.header)
	}
}

// preflight asks whether a page may send a request.
func preflight(t *testing.T, s *Server, path, method string, header ...string) *httptest.ResponseRecorder {
	w, _ := call(t, s, "OPTIONS", path, "", append(header, "Access-Control-Request-Method", method)...)
	return w
}

func TestPreflight(t *testing.T) {
	keyed := newServer(t, says(t, "ok"), allow(ours), func(o *Options) { o.APIKeys = []string{"secret"} })
	methods := map[string][]string{}
	for _, r := range keyed.table() {
		methods[r.path] = append(methods[r.path], r.method)
	}
	methods["/nothing"], methods["/v1//models"] = []string{"PUT"}, []string{"PUT"} // the page is to see the 404
	const headers = "authorization, content-type, x-api-key, anthropic-version, x-stainless-os"
	for path, want := range methods {
		path = strings.NewReplacer("{id...}", "org/test", "{id}", "resp_1").Replace(path)
		for _, method := range []string{"PUT", want[0]} {
			w := preflight(t, keyed, path, method, "Origin", ours, "Access-Control-Request-Headers", headers)
			if path == "/nothing" || path == "/v1//models" {
				want = []string{method}
			}
			require.Equal(t, 204, w.Code, path)
			require.Equal(t, strings.Join(want, ", "), w.Header().Get("Access-Control-Allow-Methods"), path)
			require.Equal(t, headers, w.Header().Get("Access-Control-Allow-Headers"))
			require.Equal(t, ours, w.Header().Get("Access-Control-Allow-Origin"))
			require.Equal(t, "7200", w.Header().Get("Access-Control-Max-Age"))
			require.Equal(t, "Origin", w.Header().Get("Vary"))
			require.NotEmpty(t, w.Header().Get("X-Request-Id"))
		}
	}
	open, all, loading := newServer(t, says(t, "ok"), allow(ours)), newServer(t, says(t, "ok"), allow(AnyOrigin)), New(Options{Origins: []string{ours}})
	require.Equal(t, "*", preflight(t, all, chatPath, "POST", "Origin", "null").Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, 204, preflight(t, loading, chatPath, "POST", "Origin", ours).Code)
	require.NotContains(t, preflight(t, open, chatPath, "POST", "Origin", ours).Header(), "Access-Control-Allow-Headers")
	// Whoever else asks is told what it was before.
	require.Equal(t, 405, preflight(t, newServer(t, says(t, "ok")), chatPath, "POST", "Origin", ours).Code)
	for s, want := range map[*Server]int{open: 405, keyed: 401} {
		for _, w := range []*httptest.ResponseRecorder{
			preflight(t, s, chatPath, "POST"), preflight(t, s, chatPath, "POST", "Origin", theirs), preflight(t, s, chatPath, "POST", "Origin", ours, "Origin", ours),
			preflight(t, s, chatPath, "", "Origin", ours),
		} {
			require.Equal(t, want, w.Code)
			require.NotContains(t, w.Header(), "Access-Control-Allow-Methods")
		}
	}
	// Nor does a name that leads here become one of the server's.
	r := httptest.NewRequest("OPTIONS", chatPath, nil)
	r.Host = "evil.example"
	r.Header = http.Header{"Origin": {ours}, "Access-Control-Request-Method": {"POST"}}
	w := httptest.NewRecorder()
	documents().Handler(t, open).ServeHTTP(w, r)
	require.Equal(t, 421, w.Code)
}

// What is taken for an origin is written as one, and nothing else is it.
func FuzzCheckOrigin(f *testing.F) {
	for _, text := range []string{"https://chat.example:8443", "http://[::1]", "app://obsidian.md", "null", "http://a/", "http://a:80", "*"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if CheckOrigin(text) != nil || text == AnyOrigin {
			return
		}
		u, err := url.Parse(text)
		require.NoError(t, err)
		require.Equal(t, text, u.Scheme+"://"+u.Host)
		require.Regexp(t, `^[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+$`, text)
		require.Error(t, CheckOrigin(text+"/"))
	})
}
