package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of connections.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 32 << 10
	sendBufferBytes   = 64 << 10
	drainGrace        = 2 * time.Second // for the error events of a shutdown
)

// newHTTP returns the server of connections.
func (s *Server) newHTTP() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes - 4096, // net/http allows that much more
		// OPTIONS * is answered like everything else.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
}

// Serve answers the connections of a listener until Shutdown, then returns nil.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(newLimitedListener(l, s.options.MaxConns, s.crowded))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// crowded closes the connections in which nothing happens, while one waits for room.
func (s *Server) crowded(yes bool) {
	if yes || !s.inFlight.isDraining() {
		s.http.SetKeepAlivesEnabled(!yes)
	}
}

// Shutdown refuses new work at once and waits for what is in flight. When ctx
// ends before, the requests that remain get an error.
func (s *Server) Shutdown(ctx context.Context) error {
	idle := s.inFlight.drain()
	s.http.SetKeepAlivesEnabled(false)
	var late error
	select {
	case <-idle:
	case <-ctx.Done():
		late = ctx.Err()
	}
	s.cancel(errDraining)
	grace, cancel := context.WithTimeout(context.Background(), drainGrace)
	defer cancel()
	if s.http.Shutdown(grace) != nil {
		_ = s.http.Close() // a client does not take its last words
	}
	return late
}

// inFlight counts requests, until a shutdown lets no more in.
type inFlight struct {
	mu       sync.Mutex
	n        int
	draining chan struct{} // not nil: draining; closed: nothing in flight
}

// enter counts a request; false where none is let in.
func (f *inFlight) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining != nil {
		return false
	}
	f.n++
	return true
}

func (f *inFlight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.draining != nil {
		close(f.draining)
	}
}

// drain lets nobody in any more and returns a channel that is closed once all left.
func (f *inFlight) drain() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining == nil {
		f.draining = make(chan struct{})
		if f.n == 0 {
			close(f.draining)
		}
	}
	return f.draining
}

// isDraining reports whether a shutdown began.
func (f *inFlight) isDraining() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.draining != nil
}

// limitedListener accepts so many connections at a time; one more waits here, others in the
// system's queue.
type limitedListener struct {
	net.Listener
	crowded func(yes bool) // one waits, and no longer
	free    chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func newLimitedListener(l net.Listener, most int, crowded func(bool)) *limitedListener {
	return &limitedListener{Listener: l, crowded: crowded, free: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for a connection that is within the limit.
func (l *limitedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if err := l.enter(); err != nil {
		c.Close()
		return nil, err
	}
	bound(c)
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.free })}, nil
}

// enter waits for room.
func (l *limitedListener) enter() error {
	select {
	case l.free <- struct{}{}:
		return nil
	default:
	}
	l.crowded(true)
	defer l.crowded(false)
	select {
	case l.free <- struct{}{}:
		return nil
	case <-l.closed:
		return net.ErrClosed
	}
}

// bound sets what a client that does not read, or is gone, can cost.
func bound(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	// All are hints: a system that takes none serves all the same.
	_ = tcp.SetWriteBuffer(sendBufferBytes)
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3})
	limitSilence(tcp, 30)
}

// Close ends Accept.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close frees the connection's place.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite ends what the client reads before the connection is closed, so
// that it gets the last answer.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
