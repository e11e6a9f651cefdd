package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of connections.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 32 << 10
	sendBufferBytes   = 64 << 10
	drainGrace        = 2 * time.Second // for the error events of a shutdown
	crowdedEvery      = time.Minute     // between lines of the log that say so
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
	now, last := time.Now(), s.crowdedAt.Load()
	if yes && (last == nil || now.Sub(*last) >= crowdedEvery) && s.crowdedAt.CompareAndSwap(last, &now) {
		s.options.Log.Warn("as many connections are open as may be: idle ones are closed, new ones wait for the others", "connections", s.options.MaxConns)
	}
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
