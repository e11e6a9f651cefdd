package server

import (
	"fmt"
	"net/http"
	"strings"
)

// health is NIM's body.
type health struct {
	Object  string `json:"object"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// live serves GET /v1/health/live: the process answers.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, health{"health.response", "Service is live.", "live"})
	return nil
}

// ready serves GET /v1/health/ready and /health: 200 only while requests would
// be served, because a forward pass of every model works.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	status, body := http.StatusOK, health{"health.response", "Service is ready.", "ready"}
	models := s.loaded()
	switch {
	case s.inFlight.isDraining():
		status, body.Message, body.Status = http.StatusServiceUnavailable, "Service is shutting down.", "draining"
	case models == nil:
		status, body.Message, body.Status = http.StatusServiceUnavailable, "Service is loading the model.", "loading"
	case len(models.unhealthy()) > 0:
		body.Message = fmt.Sprintf("The engine does not work: %s.", strings.Join(models.unhealthy(), ", "))
		status, body.Status = http.StatusServiceUnavailable, "unhealthy"
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, body)
	return nil
}

// version serves GET /version.
func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
	}{s.options.Version})
	return nil
}
