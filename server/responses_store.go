package server

import (
	"container/list"
	"sync"
)

// Bounds of what is kept for later requests; the oldest goes first.
const (
	maxStoredResponses = 4096
	maxStoredBytes     = 64 << 20
)

// storedResponse is an answer that later requests can go on from. It is never
// changed.
type storedResponse struct {
	id       string
	owner    string           // who may see it
	body     []byte           // as it was answered
	messages []map[string]any // the conversation, this answer included
	input    []*inputItem     // what was new in it, this answer not included
	bytes    int
}

// responseStore keeps answers in memory, within bounds.
type responseStore struct {
	mu    sync.Mutex
	byID  map[string]*list.Element
	order *list.List // of *storedResponse, oldest first
	bytes int
}

func newResponseStore() *responseStore {
	return &responseStore{byID: map[string]*list.Element{}, order: list.New()}
}

// add keeps a response. One that is larger than the store is not kept.
func (s *responseStore) add(r *storedResponse) {
	r.bytes = len(r.body) + len(marshal(r.messages)) + len(marshal(r.input))
	if r.bytes > maxStoredBytes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[r.id] = s.order.PushBack(r)
	s.bytes += r.bytes
	for s.bytes > maxStoredBytes || s.order.Len() > maxStoredResponses {
		s.drop(s.order.Front())
	}
}

// get returns a response of this owner; nil where there is none.
func (s *responseStore) get(owner, id string) *storedResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil && e.Value.(*storedResponse).owner == owner {
		return e.Value.(*storedResponse)
	}
	return nil
}

// remove forgets a response of this owner; false where there is none.
func (s *responseStore) remove(owner, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if e == nil || e.Value.(*storedResponse).owner != owner {
		return false
	}
	s.drop(e)
	return true
}

func (s *responseStore) drop(e *list.Element) {
	r := s.order.Remove(e).(*storedResponse)
	delete(s.byID, r.id)
	s.bytes -= r.bytes
}
