package server

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// modelSet are the models that a server has; nil while they load. Requests that
// name none get the first.
type modelSet []*Model

// named returns the model that has this name, in any spelling.
func (l modelSet) named(name string) (*Model, *apiError) {
	for _, m := range l {
		if m.has(name) {
			return m, nil
		}
	}
	e := invalid("model", "the model %.128q does not exist; this server has %q", name, l.names())
	e.status, e.code = http.StatusNotFound, codeModel
	return nil, e
}

// names returns all names of all models.
func (l modelSet) names() []string {
	names := []string{}
	for _, m := range l {
		names = append(names, m.Names...)
	}
	return names
}

// unhealthy returns the models whose engines do not work.
func (l modelSet) unhealthy() []string {
	var names []string
	for _, m := range l {
		if m.Engine.Healthy() != nil {
			names = append(names, m.Names[0])
		}
	}
	return names
}

// readModel takes the name of the model and chooses that one; "auto", where no
// model is called so, is left to choose.
func (j *job) readModel(o *object) {
	v := o.take("model")
	if v == nil {
		return
	}
	name := v.label(maxNameBytes)
	if o.d.err != nil {
		return
	}
	m, err := j.models.named(name)
	switch {
	case err == nil:
		j.model = m
	case name == autoName:
		j.auto = true
	default:
		o.d.err = err
	}
}

// listModels serves GET /v1/models.
func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	list := modelList{Object: "list", Data: []modelCard{}}
	for _, m := range s.loaded() {
		for _, name := range m.Names {
			list.Data = append(list.Data, m.card(name))
		}
	}
	if card, ok := s.loaded().autoCard(); ok {
		list.Data = append(list.Data, card)
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// oneModel serves GET /v1/models/{id}; an id may hold slashes.
func (s *Server) oneModel(w http.ResponseWriter, r *http.Request) error {
	id := strings.TrimPrefix(r.URL.Path, "/v1/models/")
	if card, ok := s.loaded().autoCard(); ok && id == autoName {
		writeJSON(w, http.StatusOK, card)
		return nil
	}
	m, err := s.loaded().named(id)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, m.card(id))
	return nil
}

func (m *Model) card(name string) modelCard {
	return modelCard{
		ID: name, Object: "model", Created: m.Created.Unix(), OwnedBy: "trona", Root: m.Names[0], MaxModelLen: m.ContextLength,
		anthropicModel: anthropicModel{Type: "model", DisplayName: name, CreatedAt: m.Created.UTC().Format(time.RFC3339), MaxInputTokens: m.ContextLength},
	}
}

// has reports whether the model has this name, in any spelling.
func (m *Model) has(name string) bool {
	return slices.ContainsFunc(m.Names, func(own string) bool { return spelling(own) == spelling(name) })
}
