package gguf

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"trona/model/fault"
	"trona/model/mmap"
)

const magic = "GGUF"

// alignmentKey sets the multiple of bytes at which tensors begin, if not 32.
const (
	alignmentKey     = "general.alignment"
	defaultAlignment = 32
	maxAlignment     = 1 << 16
)

// header is what one file says.
type header struct {
	metadata
	tensors []Tensor
}

// readHeader reads all of a file but the data of its tensors.
func readHeader(path string, f *mmap.File) (*header, error) {
	r := newReader(path, f)
	tensors, keys, err := r.counts()
	if err != nil {
		return nil, err
	}
	h := &header{}
	h.entries = make([]entry, keys)
	for i := range h.entries {
		r.unclaim(minKey)
		if h.entries[i], err = r.entry(); err != nil {
			return nil, err
		}
	}
	if again := h.index(); again != nil {
		r.field("key", again.key)
		r.last = again.at
		return nil, r.fail("is there twice")
	}
	h.tensors = make([]Tensor, tensors)
	for i := range h.tensors {
		r.unclaim(minTensor)
		if h.tensors[i], err = r.tensor(); err != nil {
			return nil, err
		}
	}
	r.field(alignmentKey, "")
	return h, r.place(h)
}

// counts reads the fixed beginning of a file: the numbers of tensors and keys.
func (r *reader) counts() (tensors, keys uint64, err error) {
	r.field("magic", "")
	b, err := r.take(len(magic))
	if err != nil {
		return 0, 0, err
	}
	if string(b) != magic {
		return 0, 0, r.fail("is %q, want %q: this is no GGUF file", b, magic)
	}
	r.field("version", "")
	version, err := r.number(4)
	switch {
	case err != nil:
		return 0, 0, err
	case version == 1:
		return 0, 0, r.fail("version 1 is not supported, only 2 and 3: convert the model again")
	case version != 2 && version != 3 && version&0xffff == 0:
		return 0, 0, r.fail("big-endian files are not supported")
	case version != 2 && version != 3:
		return 0, 0, r.fail("version %d is not supported, only 2 and 3", version)
	}
	r.field("tensor_count", "")
	if tensors, err = r.number(8); err != nil {
		return 0, 0, err
	}
	if tensors > maxTensors {
		return 0, 0, r.fail("%d tensors, at most %d are allowed", tensors, maxTensors)
	}
	tensorsAt := r.last
	r.field("metadata_kv_count", "")
	if keys, err = r.number(8); err != nil {
		return 0, 0, err
	}
	if keys > maxKeys {
		return 0, 0, r.fail("%d keys, at most %d are allowed", keys, maxKeys)
	}
	if err := r.claim(keys, minKey); err != nil {
		return 0, 0, err
	}
	r.field("tensor_count", "")
	r.last = tensorsAt
	return tensors, keys, r.claim(tensors, minTensor)
}

// entry reads one key and its value.
func (r *reader) entry() (entry, error) {
	r.field("key", "")
	key, err := r.text(maxKey)
	if err != nil {
		return entry{}, err
	}
	if problem := badName(key); problem != "" {
		return entry{}, r.fail("%s: %s", fault.Name(key), problem)
	}
	r.field("value of", key)
	k, err := r.number(4)
	if err != nil {
		return entry{}, err
	}
	at := r.last
	v, err := r.value(kind(k), 0)
	return entry{key, v, at}, err
}

// badName says what is wrong with a key or the name of a tensor.
func badName(name string) string {
	switch {
	case name == "":
		return "must not be empty"
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 }):
		return "has control characters"
	}
	return ""
}

// tensor reads the description of one tensor. Its offset is still relative to
// the beginning of the data.
func (r *reader) tensor() (Tensor, error) {
	r.field("tensor name", "")
	var t Tensor
	var err error
	if t.Name, err = r.text(maxName); err != nil {
		return t, err
	}
	if problem := badName(t.Name); problem != "" {
		return t, r.fail("%s: %s", fault.Name(t.Name), problem)
	}
	r.field("dimensions of tensor", t.Name)
	n, err := r.number(4)
	if err != nil {
		return t, err
	}
	if n < 1 || n > maxDims {
		return t, r.fail("1 to %d are supported, not %d", maxDims, n)
	}
	t.Shape = make([]int64, n)
	for i := range t.Shape {
		d, err := r.number(8)
		if err != nil {
			return t, err
		}
		if d > math.MaxInt64 {
			return t, r.fail("dimension %d is %d", i, d)
		}
		t.Shape[i] = int64(d)
	}
	r.field("type of tensor", t.Name)
	typ, err := r.number(4)
	if err != nil {
		return t, err
	}
	t.Type = Type(typ)
	var problem error
	if t.Bytes, problem = t.Type.size(t.Shape); problem != nil {
		return t, r.fail("%v", problem)
	}
	slices.Reverse(t.Shape)
	r.field("offset of tensor", t.Name)
	offset, err := r.number(8)
	if err != nil {
		return t, err
	}
	if offset > math.MaxInt64 {
		return t, r.fail("%d is beyond any file", offset)
	}
	t.offset, t.at = int64(offset), r.last
	return t, nil
}

// place checks that the tensors follow one another, as ggml writes them and
// asks for, and makes their offsets count from the beginning of the file.
func (r *reader) place(h *header) error {
	alignment := int64(defaultAlignment)
	if e, ok := h.find(alignmentKey); ok {
		v, isUint32 := e.value.(uint32)
		if r.last = e.at; !isUint32 || v < 1 || v > maxAlignment || v&(v-1) != 0 {
			return r.fail("must be a uint32, a power of two up to %d, not %v", maxAlignment, e.value)
		}
		alignment = int64(v)
	}
	start, _ := align(r.at, alignment)
	end := int64(0)
	for i := range h.tensors {
		t := &h.tensors[i]
		r.field("offset of tensor", t.Name)
		r.last = t.at
		if t.offset%alignment != 0 {
			return r.fail("%d is not a multiple of %d", t.offset, alignment)
		}
		if t.offset != end {
			return r.fail("is %d, but the tensors before it end at %d", t.offset, end)
		}
		if end > math.MaxInt64-t.Bytes {
			return r.fail("%d and the %d bytes of the tensor overflow", end, t.Bytes)
		}
		var ok bool
		if end, ok = align(end+t.Bytes, alignment); !ok || end > math.MaxInt64-start {
			return r.fail("%d and the %d bytes of the tensor overflow", t.offset, t.Bytes)
		}
		t.offset += start
	}
	return nil
}
