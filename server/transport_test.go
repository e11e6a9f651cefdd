package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener within the process, whose connections have no buffers
// and follow the clock of a test.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialled:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// dial serves on pipes and returns what connects to them. The server is shut
// down when the test ends.
func dial(t *testing.T, s *Server) func() net.Conn {
	p := &pipes{make(chan net.Conn), make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(p) }()
	t.Cleanup(func() {
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, <-served)
	})
	return func() net.Conn {
		ours, theirs := net.Pipe()
		p.dialled <- theirs
		t.Cleanup(func() { ours.Close() })
		return ours
	}
}

// client returns a client of a server that dial serves.
func client(conn func() net.Conn) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         func(context.Context, string, string) (net.Conn, error) { return conn(), nil },
		MaxIdleConnsPerHost: 1000,
	}}
}

// send writes without waiting; a server that closes early takes less.
func send(c net.Conn, text string) {
	go func() { _, _ = io.WriteString(c, text) }()
}

// answer reads one response; its status is 0 where the connection ends instead.
func answer(t *testing.T, from *bufio.Reader) (status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func postText(path, body string, header ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(header, ""), body)
}

// What is not HTTP as RFC 9112 has it gets a status or no answer, and the next
// request on the connection is never made of what one before left over.
func TestMalformedRequests(t *testing.T) {
	chat := "{" + hello + "}"
	smuggled := "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, c := range map[string]struct {
		request  string
		statuses []int // of all answers until the connection ends; 0 for the end
	}{
		"good":                 {postText(chatPath, chat, "Connection: close\r\n"), []int{200, 0}},
		"two":                  {postText(chatPath, chat) + postText(chatPath, chat, "Connection: close\r\n"), []int{200, 200, 0}},
		"chunked":              {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(chat), chat), []int{200, 0}},
		"no method":            {"\r\n\r\n\x00\x01\x02\r\n\r\n", []int{400, 0}},
		"HTTP/0.9":             {"GET /version\r\n\r\n", []int{400, 0}},
		"HTTP/1.2":             {"GET /version HTTP/3.7\r\nHost: localhost\r\n\r\n", []int{505, 0}},
		"no host":              {"GET /version HTTP/1.1\r\n\r\n", []int{400, 0}},
		"two hosts":            {"GET /version HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", []int{400, 0}},
		"host with a path":     {"GET /version HTTP/1.1\r\nHost: localhost/x\r\nConnection: close\r\n\r\n", []int{400, 0}},
		"host of another":      {"GET /version HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", []int{421, 0}},
		"absolute form":        {"GET http://localhost/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{200, 0}},
		"absolute, other host": {"GET http://evil.example/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{421, 0}},
		"asterisk":             {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{404, 0}},
		"connect":              {"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n", []int{404, 0}},
		"negative length":      {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", []int{400, 0}},
		"signed length":        {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\n", []int{400, 0}},
		"huge length":          {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", []int{400, 0}},
		"two lengths":          {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + smuggled, []int{400, 0}},
		"length and chunks":    {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400, 0}},
		"unknown encoding":     {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{501, 0}},
		"space before colon":   {"GET /version HTTP/1.1\r\nHost: localhost\r\nX-A : b\r\n\r\n" + smuggled, []int{400, 0}},
		"header continued":     {"GET /version HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n" + smuggled, []int{400, 0}},
		"NUL in a header":      {"GET /version HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n" + smuggled, []int{400, 0}},
		"NUL in the path":      {"GET /version%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{404, 0}},
		"dots":                 {"GET /v1/%2e%2e/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{404, 0}},
		"semicolon":            {"GET /version;x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{404, 0}},
		"long line":            {"GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{431, 0}},
		"many headers":         {"GET /version HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("A: b\r\n", 10_000) + "\r\n", []int{431, 0}},
		"body too large":       {"POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388609\r\n\r\n" + smuggled, []int{413, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := dial(t, newServer(t, says(t, "ok")))()
				send(conn, c.request)
				from := bufio.NewReader(conn)
				for i := range c.statuses {
					status, _ := answer(t, from)
					require.Equal(t, c.statuses[i], status, "answer %d", i)
				}
			})
		})
	}
}

// A client that is slow, or does nothing at all, is cut off in time; one that
// keeps the pace is served.
func TestSlowClients(t *testing.T) {
	head := func(path string, more ...string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n" + strings.Join(more, "") + "\r\n"
	}
	drip := func(text string, every time.Duration, size int) func(net.Conn) {
		return func(c net.Conn) {
			go func() {
				for part := range slices.Chunk([]byte(text), size) {
					time.Sleep(every)
					if _, err := c.Write(part); err != nil {
						return
					}
				}
			}()
		}
	}
	whole := func(text string) func(net.Conn) { return func(c net.Conn) { send(c, text) } }
	body := "{" + hello + strings.Repeat(" ", 100_000-len(hello)-2) + "}"
	for name, c := range map[string]struct {
		sends  func(net.Conn)
		status int           // of the last answer; 0: none
		after  time.Duration // at most, until the connection is over
	}{
		"nothing":                  {func(net.Conn) {}, 0, 6 * time.Second},
		"half a header":            {whole("POST " + chatPath + " HTTP/1.1\r\nHost: local"), 0, 6 * time.Second},
		"a header byte by byte":    {drip(head(chatPath), time.Second, 1), 400, 6 * time.Second},
		"no body":                  {whole(head(chatPath)), 408, 12 * time.Second},
		"no body, though expected": {whole(head(chatPath, "Expect: 100-continue\r\n")), 408, 12 * time.Second},
		"a body byte by byte":      {drip(head(chatPath)+body, time.Second/2, 200), 408, 300 * time.Second},
		"a body that stops":        {whole(head(chatPath) + body[:50_000]), 408, 62 * time.Second},
		"a body that nobody reads": {whole(head("/nothing")), 404, 12 * time.Second},
		"a body of a wrong type":   {whole(head(chatPath, "Content-Type: text/plain\r\n")), 415, 12 * time.Second},
		"a steady body":            {drip(head(chatPath, "Connection: close\r\n")+body, time.Second, 1500), 200, 80 * time.Second},
		"idle afterwards":          {whole("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200, 122 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := dial(t, newServer(t, says(t, "ok")))()
				began := time.Now()
				c.sends(conn)
				from := bufio.NewReader(conn)
				last := 0
				for status := 1; status != 0; {
					if status, _ = answer(t, from); status != 0 {
						last = status
					}
				}
				require.LessOrEqual(t, time.Since(began), c.after)
				require.Equal(t, c.status, last)
				conn.Close()
				time.Sleep(2 * time.Second) // who still sends finds out
			})
		})
	}
}

// A connection works again after a long pause, also where the server has to
// write before it reads.
func TestConnectionAfterPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, newServer(t, says(t, "ok")))()
		from := bufio.NewReader(conn)
		for range 3 {
			send(conn, postText(chatPath, "{"+hello+"}"))
			status, _ := answer(t, from)
			require.Equal(t, 200, status)
			time.Sleep(100 * time.Second)
		}
		body := "{" + hello + "}"
		send(conn, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", chatPath, len(body)))
		status, _ := answer(t, from)
		require.Equal(t, 100, status)
		send(conn, body)
		status, _ = answer(t, from)
		require.Equal(t, 200, status)
	})
}

// A client that does not read its stream loses it, and the engine is free.
func TestReaderThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := babbles(t)
		s := newServer(t, e, func(o *Options) { o.Heartbeat = time.Hour }) // who waits for a lock stops this clock
		conn := dial(t, s)()
		send(conn, postText(chatPath, `{`+hello+`,"stream":true,"ignore_eos":true}`))
		line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "200 OK")
		time.Sleep(writeTimeout - time.Second)
		synctest.Wait()
		require.Positive(t, e.Stats().Running)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Zero(t, e.Stats().Running)
		w, _ := call(t, s, "GET", "/metrics", "")
		require.Contains(t, w.Body.String(), `trona_request_success_total{finished_reason="abort"} 1`)
	})
}

// A client that goes away before the first token frees what its request holds,
// whether it streams or not.
func TestClientGoneEarly(t *testing.T) {
	for _, streams := range []string{"false", "true"} {
		synctest.Test(t, func(t *testing.T) {
			e := says(t, "ok")
			e.gate = make(chan struct{})
			conn := dial(t, newServer(t, e))()
			send(conn, postText(chatPath, `{`+hello+`,"stream":`+streams+`}`))
			time.Sleep(time.Second)
			require.Equal(t, 1, e.Stats().Running)
			conn.Close()
			synctest.Wait()
			require.Zero(t, e.Stats().Running)
		})
	}
}

// A client that closes its half of the connection counts as gone: it gets no
// answer, rather than one that looks whole and is empty.
func TestHalfClosed(t *testing.T) {
	for _, streams := range []string{"false", "true"} {
		e := says(t, "ok")
		e.gate = make(chan struct{})
		s := newServer(t, e)
		url, served := listen(t, s)
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, postText(chatPath, `{`+hello+`,"stream":`+streams+`}`))
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Empty(t, string(got))
		conn.Close()
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, <-served)
	}
}

// Requests that come at once are answered one by one, in order.
func TestPipelining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, newServer(t, says(t, "ok")))()
		var all strings.Builder
		for i := range 200 {
			all.WriteString(postText("/detokenize", fmt.Sprintf(`{"tokens":[%d]}`, 'a'+i%26)))
		}
		send(conn, all.String())
		from := bufio.NewReader(conn)
		for i := range 200 {
			status, body := answer(t, from)
			require.Equal(t, 200, status)
			require.Equal(t, fmt.Sprintf(`{"prompt":"%c"}`, 'a'+i%26), body)
		}
	})
}

// A client that sends all of a body that is too large before it reads still
// gets its answer.
func TestLargeBodySentWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, newServer(t, says(t, "ok")))()
		var arrived bytes.Buffer // what a socket holds for who does not read yet
		over := make(chan error)
		go func() {
			_, err := io.Copy(&arrived, conn)
			over <- err
		}()
		_, err := io.WriteString(conn, postText(chatPath, strings.Repeat(" ", 16<<20)))
		require.NoError(t, err)
		require.NoError(t, <-over)
		status, _ := answer(t, bufio.NewReader(&arrived))
		require.Equal(t, 413, status)
	})
}
