package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"trona/model/fault"
	"trona/model/mmap"
)

// window is how much of a header is in memory at a time.
const window = 64 << 10

// Limits of a header, far beyond any model.
const (
	maxKeys    = 1 << 16
	maxTensors = 1_000_000
	maxKey     = 1<<16 - 1
	maxName    = 256
	maxString  = 16 << 20
	maxArray   = 64 << 20
	maxDims    = 4
	maxDepth   = 4 // of arrays in arrays
)

// Fewest bytes of what is counted before it comes. Counts are believed only as
// far as the file has bytes for them.
const (
	minKey    = 8 + 1 + 4 + 1         // key of one byte, type, value of one byte
	minTensor = 8 + 1 + 4 + 8 + 4 + 8 // name of one byte, one dimension, type, offset
	minString = 8
	minArray  = 4 + 8
)

// kind is the type of a value of the metadata.
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// kindSize is the bytes of a value; 0 where it varies.
var kindSize = [...]int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

// reader takes a header apart. It never allocates for more elements than the
// rest of the file can hold: a count claims bytes before anything is allocated,
// and what claimed bytes are needed for gives them back when it is read.
type reader struct {
	file  string
	in    io.ReaderAt
	buf   []byte // at most window
	rest  []byte // of buf: the bytes from at on
	at    int64  // offset of the next byte
	last  int64  // offset of what was read last, for messages
	spare int64  // bytes after at that nothing has claimed

	what, name string // the field that is read, for messages
}

func newReader(path string, f *mmap.File) *reader {
	return &reader{file: path, in: f, buf: make([]byte, min(window, f.Size())), spare: f.Size()}
}

// field names what is read next. The two parts are joined only in messages.
func (r *reader) field(what, name string) { r.what, r.name = what, name }

func (r *reader) fail(format string, args ...any) error {
	return r.failed(nil, format, args...)
}

func (r *reader) failed(cause error, format string, args ...any) error {
	field := r.what
	if r.name != "" {
		field += " " + fault.Name(r.name)
	}
	return &fault.Error{File: r.file, Field: field, Offset: r.last, Message: fmt.Sprintf(format, args...), Err: cause}
}

// claim sets n elements of at least size bytes aside.
func (r *reader) claim(n uint64, size int64) error {
	if n > uint64(r.spare/size) {
		return r.failed(io.ErrUnexpectedEOF, "%d of at least %d bytes do not fit the %d that are left", n, size, r.spare)
	}
	r.spare -= int64(n) * size
	return nil
}

// unclaim gives back what was set aside for an element that is read now.
func (r *reader) unclaim(size int64) { r.spare += size }

// take returns the next n bytes, at most window, valid until the next call.
func (r *reader) take(n int) ([]byte, error) {
	r.last = r.at
	if int64(n) > r.spare {
		return nil, r.failed(io.ErrUnexpectedEOF, "needs %d bytes, %d are left", n, r.spare)
	}
	if n > len(r.rest) {
		if err := r.fill(n); err != nil {
			return nil, err
		}
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	r.at += int64(n)
	r.spare -= int64(n)
	return b, nil
}

// fill reads on until rest has n bytes.
func (r *reader) fill(n int) error {
	have := copy(r.buf, r.rest)
	more, err := r.in.ReadAt(r.buf[have:], r.at+int64(have))
	if r.rest = r.buf[:have+more]; len(r.rest) >= n {
		return nil // an error comes back where it matters
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the file shrank meanwhile
	}
	return r.failed(err, "read %d bytes", n)
}

// number returns the next little-endian number of 1 to 8 bytes.
func (r *reader) number(size int) (uint64, error) {
	b, err := r.take(size)
	if err != nil {
		return 0, err
	}
	var v uint64
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v, nil
}

// text returns the next string, of no more than `most` bytes.
func (r *reader) text(most int) (string, error) {
	n, err := r.number(8)
	if err != nil {
		return "", err
	}
	if n > uint64(most) {
		return "", r.fail("a string of %d bytes, at most %d are allowed", n, most)
	}
	if n > uint64(r.spare) {
		return "", r.failed(io.ErrUnexpectedEOF, "a string of %d bytes, %d are left", n, r.spare)
	}
	if n <= window {
		b, err := r.take(int(n))
		return string(b), err
	}
	start := r.at
	var text strings.Builder
	text.Grow(int(n))
	for text.Len() < int(n) {
		b, err := r.take(min(window, int(n)-text.Len()))
		if err != nil {
			return "", err
		}
		text.Write(b)
	}
	r.last = start
	return text.String(), nil
}

// value returns the next value of a kind, as the Go type that it names.
func (r *reader) value(k kind, depth int) (any, error) {
	switch {
	case k == kindString:
		return r.text(maxString)
	case k == kindArray && depth == maxDepth:
		return nil, r.fail("arrays nest deeper than %d", maxDepth)
	case k == kindArray:
		return r.array(depth)
	case k >= kind(len(kindSize)):
		return nil, r.fail("value type %d is not known", k)
	}
	bits, err := r.number(kindSize[k])
	if err != nil {
		return nil, err
	}
	switch k {
	case kindUint8:
		return uint8(bits), nil
	case kindInt8:
		return int8(bits), nil
	case kindUint16:
		return uint16(bits), nil
	case kindInt16:
		return int16(bits), nil
	case kindUint32:
		return uint32(bits), nil
	case kindInt32:
		return int32(bits), nil
	case kindFloat32:
		return math.Float32frombits(uint32(bits)), nil
	case kindUint64:
		return bits, nil
	case kindInt64:
		return int64(bits), nil
	case kindFloat64:
		return math.Float64frombits(bits), nil
	}
	if bits > 1 {
		return nil, r.fail("a truth value is 0 or 1, not %d", bits)
	}
	return bits == 1, nil
}

// array returns the next array as a slice of the Go type that its elements have.
func (r *reader) array(depth int) (any, error) {
	k, err := r.number(4)
	if err != nil {
		return nil, err
	}
	if k >= uint64(len(kindSize)) {
		return nil, r.fail("value type %d of an array is not known", k)
	}
	n, err := r.number(8)
	if err != nil {
		return nil, err
	}
	if n > maxArray {
		return nil, r.fail("an array of %d, at most %d are allowed", n, maxArray)
	}
	switch kind(k) {
	case kindUint8:
		return numbers[uint8](r, n)
	case kindInt8:
		return numbers[int8](r, n)
	case kindUint16:
		return numbers[uint16](r, n)
	case kindInt16:
		return numbers[int16](r, n)
	case kindUint32:
		return numbers[uint32](r, n)
	case kindInt32:
		return numbers[int32](r, n)
	case kindFloat32:
		return numbers[float32](r, n)
	case kindUint64:
		return numbers[uint64](r, n)
	case kindInt64:
		return numbers[int64](r, n)
	case kindFloat64:
		return numbers[float64](r, n)
	case kindBool:
		return r.flags(n)
	case kindString:
		if depth > 0 {
			return r.list(n)
		}
		return r.texts(n)
	}
	return r.arrays(n, depth+1)
}

// numbers returns the next n numbers.
func numbers[T uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 | float32 | float64](r *reader, n uint64) ([]T, error) {
	size := binary.Size(T(0))
	if err := r.claim(n, int64(size)); err != nil {
		return nil, err
	}
	r.unclaim(int64(n) * int64(size))
	list := make([]T, n)
	for rest := list; len(rest) > 0; {
		part := rest[:min(len(rest), window/size)]
		b, err := r.take(len(part) * size)
		if err != nil {
			return nil, err
		}
		if _, err := binary.Decode(b, binary.LittleEndian, part); err != nil {
			return nil, r.failed(err, "decode")
		}
		rest = rest[len(part):]
	}
	return list, nil
}

func (r *reader) flags(n uint64) ([]bool, error) {
	bytes, err := numbers[uint8](r, n)
	if err != nil {
		return nil, err
	}
	list := make([]bool, n)
	for i, b := range bytes {
		if b > 1 {
			return nil, r.fail("truth value %d is 0 or 1, not %d", i, b)
		}
		list[i] = b == 1
	}
	return list, nil
}

// texts is an array of strings: one behind the other, for it may have hundreds of thousands,
// of which the garbage collector need not know each.
type texts struct {
	all    string
	bounds []uint32 // where each begins, then where the last ends
}

// list returns each on its own.
func (t *texts) list() []string {
	list := make([]string, len(t.bounds)-1)
	for i := range list {
		list[i] = t.all[t.bounds[i]:t.bounds[i+1]]
	}
	return list
}

// texts returns the next n strings.
func (r *reader) texts(n uint64) (*texts, error) {
	if err := r.claim(n, minString); err != nil {
		return nil, err
	}
	all := new(strings.Builder)
	all.Grow(int(min(12*n, uint64(r.spare))))
	bounds := make([]uint32, 1, n+1)
	for uint64(len(bounds)) <= n {
		if bounds = r.short(all, bounds); uint64(len(bounds)) > n {
			break
		}
		r.unclaim(minString)
		text, err := r.text(maxString)
		if err != nil {
			return nil, err
		}
		all = r.room(all, len(text))
		all.WriteString(text)
		if uint64(all.Len()) > math.MaxUint32 {
			return nil, r.fail("the strings of an array have more than %d bytes", uint32(math.MaxUint32))
		}
		bounds = append(bounds, uint32(all.Len()))
	}
	return &texts{all.String(), bounds}, nil
}

// room returns a builder that has room for n bytes more: twice as large, but no larger than what
// is left of the file can fill.
func (r *reader) room(all *strings.Builder, n int) *strings.Builder {
	if all.Cap()-all.Len() >= n {
		return all
	}
	more := new(strings.Builder)
	more.Grow(all.Len() + n + int(min(int64(all.Len()), r.spare)))
	more.WriteString(all.String())
	return more
}

// list returns the next n strings, each on its own.
func (r *reader) list(n uint64) ([]string, error) {
	if err := r.claim(n, minString); err != nil {
		return nil, err
	}
	list := make([]string, n)
	for i := range list {
		r.unclaim(minString)
		var err error
		if list[i], err = r.text(maxString); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// short appends strings and their bounds, as long as they are in memory as a whole and have room.
func (r *reader) short(to *strings.Builder, bounds []uint32) []uint32 {
	rest, room := r.rest, min(uint64(to.Cap()-to.Len()), math.MaxUint32-uint64(to.Len()), uint64(r.spare))
	for len(bounds) < cap(bounds) && len(rest) >= minString {
		n := binary.LittleEndian.Uint64(rest)
		if n > uint64(len(rest)-minString) || n > room {
			break
		}
		end := minString + int(n)
		to.Write(rest[minString:end])
		bounds = append(bounds, uint32(to.Len()))
		rest, room = rest[end:], room-n
		r.spare -= int64(n)
	}
	r.at += int64(len(r.rest) - len(rest))
	r.rest = rest
	return bounds
}

func (r *reader) arrays(n uint64, depth int) ([]any, error) {
	if err := r.claim(n, minArray); err != nil {
		return nil, err
	}
	list := make([]any, n)
	for i := range list {
		r.unclaim(minArray)
		var err error
		if list[i], err = r.value(kindArray, depth); err != nil {
			return nil, err
		}
	}
	return list, nil
}
