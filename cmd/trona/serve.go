package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"trona/kernels/cpu"
	"trona/server"
)

// serveCommand serves models over HTTP.
type serveCommand struct {
	Model           *string       `arg:"" help:"Model to serve." optional:""`
	Host            string        `help:"Address to listen on." default:"127.0.0.1" placeholder:"127.0.0.1"`
	Port            int           `help:"Port to listen on; 0 picks a free one." default:"8000" placeholder:"8000"`
	ServedModelName []string      `help:"Name of the model in the API; may be repeated, responses carry the first." placeholder:"NAME"`
	KVCacheMemory   size          `name:"kv-cache-memory" help:"Memory of the KV cache, of all models together, such as 16GiB; absent: what the requests can use, within what is free." placeholder:"SIZE"`
	APIKey          []string      `name:"api-key" sep:"none" help:"Key that requests must carry; may be repeated. Other users of the machine can see it: prefer TRONA_API_KEY or a file." placeholder:"KEY"`
	APIKeyFile      string        `name:"api-key-file" help:"File with such keys, one a line; lines that begin with # are comments." placeholder:"FILE"`
	AllowedOrigins  []string      `help:"Origin, such as https://chat.example, whose pages may use the server from a browser; may be repeated, * allows all." placeholder:"ORIGIN"`
	Strict          bool          `help:"Refuse requests with fields that have no effect, instead of naming them in the header x-trona-ignored."`
	LogRequests     bool          `help:"Log a line for each request, without contents."`
	DrainTimeout    time.Duration `help:"How long running requests may go on after SIGTERM, SIGINT or SIGHUP." default:"30s" placeholder:"30s"`
	modelFlags
	templateFlags
	cacheFlags
	deviceFlags
}

// Run serves until a signal ends it, or no model works any more.
func (c *serveCommand) Run(std stdio) error {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	if err := c.checkFlags(keys); err != nil {
		return err
	}
	sources, err := c.sources(c.Model, c.ServedModelName)
	if err != nil {
		return err
	}
	if err := c.replace(sources, len(c.Models) > 0); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d of %s is in use: choose another with --port, or 0 for a free one", c.Port, c.Host)
	}
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	from := &loader{sources: sources, cache: c.cacheFlags, memory: c.KVCacheMemory, device: c.deviceFlags}
	return c.serve(std, listener, keys, from)
}

// serve answers at once, with 503 while the models load, until a signal or the last engine's failure.
func (c *serveCommand) serve(std stdio, listener net.Listener, keys []string, from *loader) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endSignals()...)
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGPIPE) // who reads the log may end first

	log := newServerLog(std.err)
	defer log.close()
	level := slog.LevelError
	if c.LogRequests {
		level = slog.LevelInfo
	}
	api := server.New(server.Options{
		Version: version, APIKeys: keys, Hosts: []string{c.Host}, Origins: c.AllowedOrigins, Strict: c.Strict,
		Memory: budget{free: cpu.AvailableMemory()}.spare(),
		Log:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})),
	})
	failed := make(chan error, 1)
	go func() { failed <- api.Serve(listener) }()
	address := listener.Addr().(*net.TCPAddr)
	fmt.Fprintf(std.err, "trona: listening on port %d, loading %s\n", address.Port, from)

	ready := make(chan fleet, 1)
	go func() {
		models, err := from.load(newProgress(std.err, "loading"))
		if err != nil {
			failed <- err
			return
		}
		ready <- models
	}()
	var models fleet
	var err error
	select {
	case models = <-ready:
	case err = <-failed:
		return err
	case <-signals:
		return nil // nothing is in flight
	}
	defer models.close()
	api.SetModels(models.models()...)
	for _, l := range models {
		fmt.Fprintf(log, "trona: %s\n", l.summary)
	}
	fmt.Fprintf(log, "trona: ready on http://%s\n", net.JoinHostPort(shownHost(address), strconv.Itoa(address.Port)))
	select {
	case err = <-failed:
		return err
	case err = <-models.failing(log): // a device that failed works in another process only
	case <-signals:
		fmt.Fprintf(log, "trona: finishing what is in flight, at most %v; a second signal ends it at once\n", c.DrainTimeout)
	}
	c.drain(api, signals)
	return err
}

// drain waits for the requests in flight, up to the timeout or a second signal.
// That of a closed terminal is none: both the kernel and the shell send it.
func (c *serveCommand) drain(api *server.Server, signals <-chan os.Signal) {
	ctx, cancel := context.WithTimeout(context.Background(), c.DrainTimeout)
	defer cancel()
	go func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGHUP {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	// What is cut off has been told so; that is no failure of the server.
	_ = api.Shutdown(ctx)
}

// shownHost returns the host of the URL that reaches an address.
func shownHost(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return "127.0.0.1"
	}
	return a.IP.String()
}

func (c *serveCommand) checkFlags(keys []string) error {
	if err := c.check(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.Host); err == nil || c.Host == "" || strings.ContainsAny(c.Host, "/[]") {
		return usagef("--host %q: must be an address or a name alone, such as 127.0.0.1, ::1 or 0.0.0.0; the port is --port", c.Host)
	}
	if c.Port < 0 || c.Port > 65535 {
		return usagef("--port %d: must be 0 to 65535", c.Port)
	}
	if c.DrainTimeout < 0 {
		return usagef("--drain-timeout %v: must not be negative", c.DrainTimeout)
	}
	for _, origin := range c.AllowedOrigins {
		if err := server.CheckOrigin(origin); err != nil {
			return usagef("--allowed-origins: %v", err)
		}
	}
	if len(keys) == 0 && !loopback(c.Host) {
		return usagef("--host %s can be reached from other machines: set --api-key-file, --api-key or TRONA_API_KEY", c.Host)
	}
	return nil
}

// keys returns the keys of all sources. No header of a request can have the space around one
// that secrets often have, a line's end say.
func (c *serveCommand) keys() ([]string, error) {
	var keys []string
	for _, key := range c.APIKey {
		if key = strings.TrimSpace(key); key == "" {
			return nil, usagef("--api-key: a key must not be empty")
		}
		keys = append(keys, key)
	}
	if c.APIKeyFile == "" {
		return keys, nil
	}
	text, err := os.ReadFile(c.APIKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--api-key-file: %w", err)
	}
	before := len(keys)
	for line := range strings.Lines(strings.TrimPrefix(string(text), byteOrderMark)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	if len(keys) == before {
		return nil, fmt.Errorf("--api-key-file %s: holds no key", c.APIKeyFile)
	}
	return keys, nil
}

// loopback reports whether a host is of this machine alone.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
