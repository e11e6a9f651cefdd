package server

import (
	"net"
	"sync"
	"time"
)

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
