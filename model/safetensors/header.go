package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"

	"trona/model/fault"
	"trona/model/mmap"
)

const (
	lengthBytes = 8 // of the number before the header
	// maxHeader is the format's own limit.
	maxHeader = 100_000_000
	maxDims   = 8
	// maxMetadata bounds the entries of __metadata__; files have one to some dozens.
	maxMetadata = 4096
	metadataKey = "__metadata__"
)

// minEntry is the shortest description of a tensor: a header has room for no
// more than its length divided by this.
const minEntry = len(`"":{"dtype":"U8","shape":[],"data_offsets":[0,0]},`)

// readHeader reads all of a file but the data of its tensors. The tensors come
// in the order of their data.
func readHeader(path string, f *mmap.File) ([]Tensor, error) {
	text, err := headerText(path, f)
	if err != nil {
		return nil, err
	}
	p := newParser(path, lengthBytes, text)
	p.field("header", "")
	if text[0] != '{' {
		return nil, p.fail("begins with %q, want '{'", text[0])
	}
	tensors := make([]Tensor, 0, len(text)/minEntry+1)
	metadata := false
	err = p.members("an object", func(name []byte) error {
		if string(name) == metadataKey {
			p.field(metadataKey, "")
			if metadata {
				return p.fail("is there twice")
			}
			metadata = true
			return p.metadata()
		}
		if len(tensors) == cap(tensors) {
			return p.fail("more tensors than fit %d bytes", len(text))
		}
		t, err := p.tensor(string(name))
		tensors = append(tensors, t)
		p.field("header", "")
		return err
	})
	if err != nil {
		return nil, err
	}
	if rest := bytes.TrimLeft(text[p.json.InputOffset():], " "); len(rest) > 0 {
		return nil, p.fail("goes on with %q after its end", rest[0])
	}
	if err := p.unique(tensors); err != nil {
		return nil, err
	}
	return tensors, p.place(tensors, int64(len(text)), f.Size())
}

// headerText reads the JSON of a header.
func headerText(path string, f *mmap.File) ([]byte, error) {
	fail := func(field string, offset int64, message string, cause error) error {
		return &fault.Error{File: path, Field: field, Offset: offset, Message: message, Err: cause}
	}
	var length [lengthBytes]byte
	if f.Size() < lengthBytes {
		return nil, fail("header length", 0, "shorter than 8 bytes", io.ErrUnexpectedEOF)
	}
	if _, err := f.ReadAt(length[:], 0); err != nil {
		return nil, fail("header length", 0, "read", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	switch {
	case n < 2 || n > maxHeader:
		return nil, fail("header length", 0, "must be 2 to 100000000: this is no safetensors file", nil)
	case n > uint64(f.Size()-lengthBytes):
		return nil, fail("header length", 0, "beyond the end of the file", io.ErrUnexpectedEOF)
	}
	text := make([]byte, n)
	if _, err := f.ReadAt(text, lengthBytes); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file shrank meanwhile
		}
		return nil, fail("header", lengthBytes, "read", err)
	}
	return text, nil
}

// metadata checks __metadata__: an object of strings, which are not kept.
func (p *parser) metadata() error {
	seen := map[string]bool{}
	err := p.members("an object of strings", func(name []byte) error {
		switch {
		case seen[string(name)]:
			return p.fail("%s is there twice", fault.Name(name))
		case len(seen) == maxMetadata:
			return p.fail("more than %d entries", maxMetadata)
		}
		seen[string(name)] = true
		_, err := p.value('"', "an object of strings")
		return err
	})
	p.field("header", "")
	return err
}

// tensor reads the description of one tensor. Its offset is still relative to
// the beginning of the data.
func (p *parser) tensor(name string) (Tensor, error) {
	p.field("tensor", name)
	t := Tensor{Name: name}
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 }) {
		return t, p.fail("a name must not be empty or have control characters")
	}
	var haveType, haveShape, haveOffsets bool
	var end int64
	err := p.members("an object", func(key []byte) (err error) {
		var have *bool
		switch string(key) {
		case "dtype":
			have = &haveType
			t.Type, err = p.dtype()
		case "shape":
			have = &haveShape
			t.Shape, err = p.sizes(maxDims)
		case "data_offsets":
			have = &haveOffsets
			t.offset, end, err = p.offsets()
		default:
			return p.fail("has %s, which is not known", fault.Name(key))
		}
		if err == nil && *have {
			return p.fail("has %s twice", key)
		}
		*have = true
		return err
	})
	if err != nil {
		return t, err
	}
	if !haveType || !haveShape || !haveOffsets {
		return t, p.fail("needs dtype, shape and data_offsets")
	}
	size, ok := byteSize(t.Type, t.Shape)
	if !ok {
		return t, p.fail("%v%v has no size in bytes", t.Type, t.Shape)
	}
	if t.Bytes = end - t.offset; t.Bytes != size {
		return t, p.fail("data_offsets hold %d bytes, %v%v has %d", t.Bytes, t.Type, t.Shape, size)
	}
	return t, nil
}

func (p *parser) dtype() (DType, error) {
	name, err := p.text()
	if err != nil {
		return 0, err
	}
	t, ok := parseDType(name)
	if !ok {
		return 0, p.fail("dtype %s is not known", fault.Name(name))
	}
	return t, nil
}

// sizes reads a list of no more than `most` numbers.
func (p *parser) sizes(most int) ([]int64, error) {
	if err := p.open('[', "a list of whole numbers"); err != nil {
		return nil, err
	}
	var list [maxDims]int64
	for n := 0; ; n++ {
		more, err := p.more()
		if err != nil {
			return nil, err
		}
		if !more {
			return slices.Clone(list[:n]), nil
		}
		if n == most {
			return nil, p.fail("a list of more than %d numbers", most)
		}
		if list[n], err = p.size(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) offsets() (begin, end int64, err error) {
	list, err := p.sizes(2)
	if err != nil {
		return 0, 0, err
	}
	if len(list) != 2 || list[0] > list[1] {
		return 0, 0, p.fail("data_offsets must be two rising numbers, not %v", list)
	}
	return list[0], list[1], nil
}

// byteSize returns the bytes of a tensor, if they are whole and fit an int64.
func byteSize(t DType, shape []int64) (int64, bool) {
	n := uint64(dtypes[t].bits)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 {
			return 0, false
		}
		n = lo
	}
	return int64(n / 8), n%8 == 0
}

// unique refuses two tensors of one name.
func (p *parser) unique(tensors []Tensor) error {
	sorted := byName(tensors)
	for i := 1; i < len(sorted); i++ {
		if name := tensors[sorted[i]].Name; name == tensors[sorted[i-1]].Name {
			p.field("tensor", name)
			return p.fail("is there twice")
		}
	}
	return nil
}

// place checks that the tensors fill the data without holes or overlaps, so that
// nothing can hide in a file, and makes their offsets count from the beginning
// of the file. Data may be missing at the end.
func (p *parser) place(tensors []Tensor, header, size int64) error {
	slices.SortFunc(tensors, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.Bytes, b.Bytes))
	})
	start, end := lengthBytes+header, int64(0)
	for i := range tensors {
		t := &tensors[i]
		p.field("data_offsets of tensor", t.Name)
		if t.offset != end {
			return p.fail("begin at %d, but the tensors before it end at %d", t.offset, end)
		}
		end += t.Bytes // t.offset + t.Bytes was a number of the header
		if end > math.MaxInt64-start {
			return p.fail("end at %d, beyond any file", end)
		}
		t.offset += start
	}
	if p.field("data", ""); end < size-start {
		return &fault.Error{File: p.file, Field: p.what, Offset: start + end, Message: "the file goes on after the last tensor"}
	}
	return nil
}
