package server

import (
	"cmp"
	"net/http"
	"strings"
)

// listModels serves GET /v1/models.
func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	list := modelList{Object: "list", Data: []modelCard{}}
	if m := s.model.Load(); m != nil {
		for _, name := range m.Names {
			list.Data = append(list.Data, m.card(name))
		}
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// oneModel serves GET /v1/models/{id}; an id may hold slashes.
func (s *Server) oneModel(w http.ResponseWriter, r *http.Request) error {
	id := strings.TrimPrefix(r.URL.Path, "/v1/models/")
	m := s.model.Load()
	if m == nil {
		m = &Model{}
	}
	if err := m.named(cmp.Or(id, "/")); err != nil { // "" would be any
		return err
	}
	writeJSON(w, http.StatusOK, m.card(id))
	return nil
}

func (m *Model) card(name string) modelCard {
	return modelCard{ID: name, Object: "model", Created: m.Created.Unix(), OwnedBy: "trona", Root: m.Names[0], MaxModelLen: m.ContextLength}
}
