package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Options say how the server behaves; zero values mean the defaults.
type Options struct {
	Version      string
	APIKeys      []string      // none: everybody may use the server
	Hosts        []string      // names beside localhost of a server without keys
	Origins      []string      // whose pages may use the server, as CheckOrigin wants them; none
	MaxBodyBytes int64         // of a request; 8 MiB, or less where Memory is short
	Memory       int64         // that all requests may take together; 2 GiB
	MaxConns     int           // open connections; 12,000, or what an eighth of Memory holds, or three quarters of the files that may be open
	Heartbeat    time.Duration // between comments in a silent stream; 15 s
	Strict       bool          // refuse fields that have no effect, unless a request says otherwise
	Log          *slog.Logger  // one line a request, without contents; none
}

func (o *Options) maxText() int { return int(o.MaxBodyBytes) }

// Server answers requests for its models. It is an http.Handler; Serve adds the
// limits that concern connections.
type Server struct {
	options   Options
	keys      keyring
	models    atomic.Pointer[modelSet]
	metrics   *metrics
	routes    *http.ServeMux
	inFlight  inFlight
	memory    *memory
	responses *responseStore
	http      *http.Server
	crowdedAt atomic.Pointer[time.Time] // when the log said last that there is no room

	ctx    context.Context // ends when a shutdown no longer waits
	cancel context.CancelCauseFunc
}

// New returns a server that is not ready before SetModels.
func New(o Options) *Server {
	memory := newMemory(cmp.Or(o.Memory, 2<<30))
	o.MaxBodyBytes = min(cmp.Or(o.MaxBodyBytes, 8<<20), memory.mostBody())
	o.MaxConns = cmp.Or(o.MaxConns, min(12_000, int(memory.most/2/connBytes), max(mostFiles()/4*3, 1)))
	o.Heartbeat = cmp.Or(o.Heartbeat, 15*time.Second)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	s := &Server{options: o, keys: newKeyring(o.APIKeys), routes: http.NewServeMux(), memory: memory, responses: newResponseStore(memory.kept(maxStoredBytes))}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.metrics = newMetrics(s.loaded)
	for path, routes := range groupRoutes(s.table()) {
		if path == "/" {
			path = "/{$}" // without it, whatever has no other route
		}
		s.routes.Handle(path, endpoint{s, routes})
	}
	s.http = s.newHTTP()
	return s
}

// SetModels makes the server ready for requests; those that name no model get
// the first. No two may share a name.
func (s *Server) SetModels(models ...*Model) {
	for _, m := range models {
		m.special = newSpecialTokens(m.Tokenizer)
		m.infill = findInfill(m.Tokenizer)
		m.thinking = findThinking(m, false)
		if m.toolThinking = m.thinking; m.template(true) != m.Template {
			m.toolThinking = findThinking(m, true)
		}
		m.tools = findTools(m)
		m.compiler = newCompiler(m, s.memory)
	}
	set := modelSet(models)
	s.models.Store(&set)
}

// loaded returns the models, nil before there are any.
func (s *Server) loaded() modelSet {
	if set := s.models.Load(); set != nil {
		return *set
	}
	return nil
}

// route is one thing the server does. work routes need a model, and a shutdown
// waits for them; open routes need no key and answer under any name.
type route struct {
	method, path string
	open         bool
	serve        func(http.ResponseWriter, *http.Request) error
	work         func(http.ResponseWriter, *http.Request, modelSet) error
}

// table lists all routes.
func (s *Server) table() []route {
	return []route{
		{method: "POST", path: "/v1/chat/completions", work: s.chatCompletions},
		{method: "POST", path: "/v1/chat/completions/render", work: s.render},
		{method: "POST", path: "/v1/completions", work: s.completions},
		{method: "POST", path: "/v1/completions/render", work: s.renderCompletion},
		{method: "POST", path: "/v1/messages", work: s.createMessage},
		{method: "POST", path: "/v1/messages/count_tokens", work: s.countMessageTokens},
		{method: "POST", path: "/v1/responses", work: s.createResponse},
		{method: "POST", path: "/v1/responses/input_tokens", work: s.countResponseTokens},
		{method: "GET", path: "/v1/responses/{id}", serve: s.getResponse},
		{method: "DELETE", path: "/v1/responses/{id}", serve: s.deleteResponse},
		{method: "POST", path: "/v1/responses/{id}/cancel", serve: s.cancelResponse},
		{method: "GET", path: "/v1/responses/{id}/input_items", serve: s.listInputItems},
		{method: "POST", path: "/tokenize", work: s.tokenize},
		{method: "POST", path: "/detokenize", work: s.detokenize},
		{method: "GET", path: "/tokenizer_info", serve: s.tokenizerInfo},
		{method: "GET", path: "/v1/models", serve: s.listModels},
		{method: "GET", path: "/v1/models/{id...}", serve: s.oneModel},
		{method: "GET", path: "/v1/health/live", open: true, serve: s.live},
		{method: "GET", path: "/v1/health/ready", open: true, serve: s.ready},
		{method: "GET", path: "/health", open: true, serve: s.ready},
		{method: "GET", path: "/version", serve: s.version},
		{method: "GET", path: "/openapi.json", serve: s.openapi},
		{method: "GET", path: "/docs", open: true, serve: s.docs},
		{method: "GET", path: "/", open: true, serve: s.docs},
		{method: "GET", path: "/metrics", serve: s.exposition},
		{method: "GET", path: "/v1/metrics", serve: s.exposition},
		{method: "GET", path: "/v1/version", serve: s.nimVersion},
		{method: "GET", path: "/v1/metadata", serve: s.metadata},
		{method: "GET", path: "/v1/license", serve: s.license},
		{method: "GET", path: "/v1/manifest", serve: s.manifest},
	}
}

// groupRoutes returns the routes by path.
func groupRoutes(table []route) map[string][]route {
	groups := map[string][]route{}
	for _, r := range table {
		groups[r.path] = append(groups[r.path], r)
	}
	return groups
}

// endpoint is a path and what can be done there.
type endpoint struct {
	*Server
	routes []route
}

// ServeHTTP is for http.ServeMux; the server calls serve itself.
func (e endpoint) ServeHTTP(http.ResponseWriter, *http.Request) {}

// methods lists what may be done there.
func (e endpoint) methods() (names []string) {
	for _, r := range e.routes {
		names = append(names, r.method)
	}
	return names
}

// endpoint returns what is at the path of a request.
func (s *Server) endpoint(r *http.Request) (endpoint, bool) {
	handler, pattern := s.routes.Handler(r)
	e, ok := handler.(endpoint)
	return e, ok && pattern != "" && r.URL.Path == path.Clean(r.URL.Path)
}

// route returns what a request asks for. A route that needs no key is found
// without one; of the others a request without a key learns nothing.
func (s *Server) route(r *http.Request) (*route, error) {
	if s.isPreflight(r) {
		return &route{path: "preflight", serve: s.preflight}, nil
	}
	e, ok := s.endpoint(r)
	if !ok {
		if err := s.keys.check(r); err != nil {
			return nil, err
		}
		return nil, &apiError{status: http.StatusNotFound, kind: kindInvalid, code: codeRoute, message: s.noRoute(r.URL.Path)}
	}
	for i := range e.routes {
		found := &e.routes[i]
		if found.method == r.Method || found.method == "GET" && r.Method == "HEAD" {
			if found.open {
				return found, nil
			}
			return found, s.keys.check(r)
		}
	}
	if err := s.keys.check(r); err != nil && !e.routes[0].open {
		return nil, err
	}
	return nil, &apiError{
		status: http.StatusMethodNotAllowed, kind: kindInvalid, code: codeMethod, allow: strings.Join(e.methods(), ", "),
		message: fmt.Sprintf("the method %.16q is not allowed here", r.Method),
	}
}

// noRoute says that nothing is at a path, and names the route that is there with
// or without "/v1", which base URLs of clients have too often or not at all, or
// that does here what other servers do there.
func (s *Server) noRoute(asked string) string {
	message := fmt.Sprintf("there is no route %.200q", asked)
	plain := path.Clean("/" + asked)
	bare := strings.TrimPrefix(plain, "/v1")
	if strings.Contains(bare, "/embed") {
		return message + "; nothing here makes embeddings"
	}
	for _, meant := range []string{plain, "/v1" + plain, bare, counterpart(bare)} {
		if meant != asked && slices.ContainsFunc(s.table(), func(r route) bool { return r.path == meant }) {
			return message + ", but " + meant
		}
	}
	return message + "; /docs lists all"
}

// counterpart returns the route that does what llama-server, ollama, vLLM or TGI
// do at a path of their own; "": there is none.
func counterpart(asked string) string {
	switch asked {
	case "/completion", "/infill", "/generate", "/generate_stream", "/api/generate":
		return "/v1/completions"
	case "/chat", "/api/chat":
		return "/v1/chat/completions"
	case "/apply-template":
		return "/v1/chat/completions/render"
	case "/props", "/info", "/api/tags", "/api/show", "/api/ps":
		return "/v1/models"
	case "/api/version":
		return "/version"
	case "/slots", "/load":
		return "/metrics"
	case "/ping", "/healthz", "/readyz":
		return "/v1/health/ready"
	case "/livez":
		return "/v1/health/live"
	}
	return ""
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	out := newResponseWriter(w)
	out.deadline() // the one of an earlier request may be over
	if r.Body != http.NoBody {
		_ = out.control.SetReadDeadline(began.Add(bodyGrace)) // also of a body that nobody reads
	}
	if len(r.TransferEncoding) > 0 {
		// It may have come with a length too, which net/http drops; RFC 9112,
		// section 6.1, wants the connection closed then.
		out.Header().Set("Connection", "close")
	}
	id := requestID(r)
	out.Header().Set(headerRequestID, id)
	if anthropicPath(r.URL.Path) {
		out.Header().Set("Request-Id", id)
	}
	out.Header().Set("X-Content-Type-Options", "nosniff")
	s.shareAnswer(out.Header(), r)
	found, err := s.route(r)
	if err == nil {
		err = s.safely(out, r, found)
	}
	status, code := out.status, slog.Attr{} // which no line has
	if err != nil {
		status, code = s.answerError(out, r, id, err)
	}
	path := "unknown"
	if found != nil {
		path = found.path
	}
	s.metrics.answered(path, status)
	s.options.Log.Info("request", "id", id, "method", r.Method, "route", path, "status", status, code,
		"bytes", out.bytes, "duration", time.Since(began), "remote", r.RemoteAddr)
	if out.status != status {
		panic(http.ErrAbortHandler) // no answer, or half of one, must not look whole
	}
}

// answerError answers with an error, unless the answer has begun, and returns the status and the
// code for the log. A status other than out's says that the answer is not whole.
func (s *Server) answerError(out *responseWriter, r *http.Request, id string, err error) (status int, code slog.Attr) {
	answer := errorFor(err)
	if answer.code != "" {
		code = slog.String("code", answer.code)
	}
	if answer.status == http.StatusInternalServerError {
		s.options.Log.Error("request failed", "id", id, "error", err)
	}
	status = out.status
	if !errors.As(err, new(*toldError)) {
		status = answer.status
	}
	if out.status == 0 && status != statusClientClosed {
		writeError(out, r, answer)
	}
	if status == http.StatusRequestEntityTooLarge || status == http.StatusTooManyRequests {
		s.discard(out, r)
	}
	return status, code
}

// safely serves a request; a panic fails this request only.
func (s *Server) safely(w *responseWriter, r *http.Request, found *route) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	if !found.open {
		if err := s.checkSite(r); err != nil {
			return err
		}
	}
	if found.work == nil {
		return found.serve(w, r)
	}
	if !s.inFlight.enter() {
		return errDraining
	}
	defer s.inFlight.leave()
	models := s.loaded()
	if models == nil {
		return loadingError()
	}
	held := &share{of: s.memory}
	defer held.end()
	if err := held.take(requestBytes, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), shareKey{}, held))
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	return found.work(w, r.WithContext(ctx), models)
}

// panicError is a bug that fails one request.
func panicError(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }
