package tokenizer

import (
	"fmt"
	"math"
	"strings"
)

// texts is a list of texts, one behind the other: a large vocabulary has hundreds of thousands,
// of which the garbage collector need not know each.
type texts struct {
	all    string
	bounds []uint32 // where each begins, then where the last ends
}

func (t *texts) len() int { return max(1, len(t.bounds)) - 1 }

func (t *texts) at(i int) string { return t.all[t.bounds[i]:t.bounds[i+1]] }

// list returns each on its own.
func (t *texts) list() []string {
	list := make([]string, t.len())
	for i := range list {
		list[i] = t.at(i)
	}
	return list
}

// textWriter makes texts.
type textWriter struct {
	all    strings.Builder
	bounds []uint32
}

// newTextWriter returns a writer with room for n texts of so many bytes together.
func newTextWriter(n, size int) *textWriter {
	w := &textWriter{bounds: make([]uint32, 1, n+1)}
	w.all.Grow(size)
	return w
}

func (w *textWriter) add(text []byte) error {
	w.all.Write(text)
	if uint64(w.all.Len()) > math.MaxUint32 {
		return fmt.Errorf("the texts have more than %d bytes together", uint32(math.MaxUint32))
	}
	w.bounds = append(w.bounds, uint32(w.all.Len()))
	return nil
}

func (w *textWriter) texts() texts { return texts{w.all.String(), w.bounds} }
