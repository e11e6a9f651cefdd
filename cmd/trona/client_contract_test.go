package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/server/apitest"
	"trona/testdata"
)

// check puts a proxy before the server that holds every answer against the
// server's own OpenAPI document and, where it is at hand, against OpenAI's.
func (s *serving) check(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/openapi.json", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+clientKey)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	own, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var theirs []byte
	if path := testdata.Find("openai", "openai-subset.json"); path != "" {
		theirs, err = os.ReadFile(path)
		require.NoError(t, err)
	}
	documents, err := apitest.New(own, theirs)
	require.NoError(t, err)
	to, err := url.Parse(s.url)
	require.NoError(t, err)
	proxy := httptest.NewServer(documents.Handler(t, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			if r.Out.Body == nil {
				return
			}
			// The body is closed when an answer begins, and where the transport has
			// yet to see its end, the connection with it.
			body, err := io.ReadAll(r.In.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
		},
		// A connection that is kept may be closed by the server just as it is used
		// again: one that waits for a first header for 5 s is. Nobody could repeat
		// the request, since its body is gone.
		Transport:     &http.Transport{DisableKeepAlives: true},
		FlushInterval: -1, // each event at once
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}))
	t.Cleanup(proxy.Close)
	s.url = proxy.URL
}
