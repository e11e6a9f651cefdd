package server

import (
	"container/list"
	"slices"
	"sync"
)

// Bounds of what is kept for later requests; the oldest goes first.
const (
	maxStoredResponses = 4096
	maxStoredBytes     = 64 << 20 // less where memory is short
)

// storedResponse is an answer that later requests can go on from. It is never
// changed.
type storedResponse struct {
	id       string
	owner    string           // who may see it
	body     []byte           // as it was answered
	messages []map[string]any // the conversation, this answer included
	input    []*inputItem     // what was new in it, this answer not included
	output   []*outputItem    // this answer
	bytes    int
}

// keeper is the store as one owner sees it.
type keeper struct {
	store *responseStore
	owner string
}

// responseStore keeps answers in memory, within bounds.
type responseStore struct {
	mu    sync.Mutex
	byID  map[string]*list.Element
	items map[string]*list.Element // by the id of an item of the answer
	order *list.List               // of *storedResponse, oldest first
	bytes int
	most  int // bytes
}

func newResponseStore(most int) *responseStore {
	return &responseStore{byID: map[string]*list.Element{}, items: map[string]*list.Element{}, order: list.New(), most: most}
}

// add keeps a response. One that is larger than the store is not kept.
func (s *responseStore) add(r *storedResponse) {
	r.bytes = len(r.body) + len(marshal(r.messages)) + len(marshal(r.input)) + len(marshal(r.output))
	if r.bytes > s.most {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.order.PushBack(r)
	s.byID[r.id] = e
	for _, item := range r.output {
		s.items[item.ID] = e
	}
	s.bytes += r.bytes
	for s.bytes > s.most || s.order.Len() > maxStoredResponses {
		s.drop(s.order.Front())
	}
}

// response returns a response of this owner; nil where there is none.
func (k keeper) response(id string) *storedResponse {
	k.store.mu.Lock()
	defer k.store.mu.Unlock()
	return k.own(k.store.byID[id])
}

// item returns an item of an answer to this owner; nil where there is none.
func (k keeper) item(id string) *outputItem {
	k.store.mu.Lock()
	defer k.store.mu.Unlock()
	r := k.own(k.store.items[id])
	if r == nil {
		return nil
	}
	return r.output[slices.IndexFunc(r.output, func(item *outputItem) bool { return item.ID == id })]
}

// own returns what an element holds, nil where that is nobody's or another's.
func (k keeper) own(e *list.Element) *storedResponse {
	if e == nil || e.Value.(*storedResponse).owner != k.owner {
		return nil
	}
	return e.Value.(*storedResponse)
}

// remove forgets a response of this owner; false where there is none.
func (k keeper) remove(id string) bool {
	k.store.mu.Lock()
	defer k.store.mu.Unlock()
	e := k.store.byID[id]
	if k.own(e) == nil {
		return false
	}
	k.store.drop(e)
	return true
}

func (s *responseStore) drop(e *list.Element) {
	r := s.order.Remove(e).(*storedResponse)
	delete(s.byID, r.id)
	for _, item := range r.output {
		delete(s.items, item.ID)
	}
	s.bytes -= r.bytes
}
