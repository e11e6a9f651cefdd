package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"trona/model/fault"
)

// Writer writes a file of version 3. Set all keys and Add all tensors, then
// Write the data of the tensors in that order, and Close. Names, types and
// shapes that Open would refuse are refused here.
type Writer struct {
	out        *bufio.Writer
	keys       []byte // as the file has them
	count      int    // keys
	names      map[string]bool
	alignment  int64
	tensors    []Tensor
	begun      bool
	current    int   // tensor whose data comes next
	left, fill int64 // bytes that it lacks, and those of padding after it
}

// NewWriter begins a file.
func NewWriter(out io.Writer) *Writer {
	return &Writer{out: bufio.NewWriterSize(out, 1<<20), names: map[string]bool{}, alignment: defaultAlignment}
}

// Set adds a key. The value's Go type gives the type in the file, as Value has
// it. The key general.alignment takes effect.
func (w *Writer) Set(key string, value any) error {
	if problem := badName(key); problem != "" || len(key) > maxKey || w.names["key "+key] || w.begun {
		return fmt.Errorf("gguf: key %s: empty, too long, not text, there twice, or set after data was written", fault.Name(key))
	}
	if key == alignmentKey {
		n, _ := value.(uint32)
		if n < 1 || n > maxAlignment || n&(n-1) != 0 {
			return fmt.Errorf("gguf: %s must be a uint32, a power of two up to %d, not %v", key, maxAlignment, value)
		}
		w.alignment = int64(n)
	}
	b := appendText(w.keys, key)
	at := len(b)
	b, k, err := appendValue(append(b, 0, 0, 0, 0), value, 0)
	if err != nil {
		return fmt.Errorf("gguf: key %s: %w", fault.Name(key), err)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(k))
	w.keys, w.names["key "+key] = b, true
	w.count++
	return nil
}

// Add declares a tensor; shape is outermost first.
func (w *Writer) Add(name string, t Type, shape ...int64) error {
	if problem := badName(name); problem != "" || len(name) > maxName || w.names["tensor "+name] || w.begun {
		return fmt.Errorf("gguf: tensor %s: empty, too long, not text, there twice, or added after data was written", fault.Name(name))
	}
	if len(shape) < 1 || len(shape) > maxDims || slices.Min(shape) < 0 {
		return fmt.Errorf("gguf: tensor %s: shape %v needs 1 to %d dimensions", fault.Name(name), shape, maxDims)
	}
	x := Tensor{Name: name, Type: t, Shape: slices.Clone(shape)}
	slices.Reverse(x.Shape)
	var err error
	if x.Bytes, err = t.size(x.Shape); err != nil {
		return fmt.Errorf("gguf: tensor %s: %w", fault.Name(name), err)
	}
	w.tensors, w.names["tensor "+name] = append(w.tensors, x), true
	return nil
}

// Write takes the next bytes of the current tensor. One call must not go past
// the end of it: what comes then belongs to the next.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	if int64(len(p)) > w.left {
		return 0, fmt.Errorf("gguf: write of %d bytes, but tensor %d of %d lacks %d", len(p), w.current, len(w.tensors), w.left)
	}
	n, err := w.out.Write(p)
	w.left -= int64(n)
	if err == nil && w.left == 0 {
		err = w.next()
	}
	return n, err
}

// Close finishes the file. It fails where data is missing.
func (w *Writer) Close() error {
	err := w.begin()
	if err == nil && w.current < len(w.tensors) {
		err = fmt.Errorf("gguf: tensor %s lacks %d bytes", fault.Name(w.tensors[w.current].Name), w.left)
	}
	return errors.Join(err, w.out.Flush())
}

// begin writes the header, once.
func (w *Writer) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(w.count))
	b = append(b, w.keys...)
	end := int64(0)
	for _, t := range w.tensors {
		b = appendText(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
		for _, d := range t.Shape {
			b = binary.LittleEndian.AppendUint64(b, uint64(d))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(end))
		var ok bool
		if end, ok = align(end+t.Bytes, w.alignment); !ok || end < 0 {
			return fmt.Errorf("gguf: the sizes of all tensors overflow")
		}
	}
	start, _ := align(int64(len(b)), w.alignment)
	if _, err := w.out.Write(append(b, make([]byte, start-int64(len(b)))...)); err != nil {
		return err
	}
	w.current = -1
	return w.next()
}

// next pads the current tensor and goes on to the next that has data.
func (w *Writer) next() error {
	for {
		if _, err := w.out.Write(make([]byte, w.fill)); err != nil {
			return err
		}
		w.current, w.fill = w.current+1, 0
		if w.current == len(w.tensors) {
			return nil
		}
		w.left = w.tensors[w.current].Bytes
		end, _ := align(w.left, w.alignment)
		if w.fill = end - w.left; w.left > 0 {
			return nil
		}
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends a value without its type, which it returns.
func appendValue(b []byte, value any, depth int) ([]byte, kind, error) {
	var err error
	switch v := value.(type) {
	case string:
		if len(v) > maxString {
			return b, 0, fmt.Errorf("a string of %d bytes, at most %d are allowed", len(v), maxString)
		}
		return appendText(b, v), kindString, nil
	case []string:
		b = appendArray(b, kindString, len(v))
		for _, s := range v {
			if b, _, err = appendValue(b, s, depth); err != nil {
				return b, 0, err
			}
		}
		return b, kindArray, nil
	case []any:
		if depth+1 == maxDepth && len(v) > 0 {
			return b, 0, fmt.Errorf("arrays nest deeper than %d", maxDepth)
		}
		b = appendArray(b, kindArray, len(v))
		for _, x := range v {
			var k kind
			if b, k, err = appendValue(b, x, depth+1); err != nil {
				return b, 0, err
			}
			if k != kindArray {
				return b, 0, fmt.Errorf("an array of arrays holds a %T", x)
			}
		}
		return b, kindArray, nil
	}
	k, list, n := numberKind(value)
	if n < 0 {
		return b, 0, fmt.Errorf("no type of the format for %T", value)
	}
	if list {
		b = appendArray(b, k, n)
	}
	b, err = binary.Append(b, binary.LittleEndian, value)
	if list {
		k = kindArray
	}
	return b, k, err
}

func appendArray(b []byte, k kind, n int) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(b, uint32(k)), uint64(n))
}

// numberKind returns the kind of a number or truth value or, with list, of the
// n elements of a slice; n is -1 for any other type.
func numberKind(value any) (k kind, list bool, n int) {
	switch v := value.(type) {
	case uint8:
		return kindUint8, false, 1
	case int8:
		return kindInt8, false, 1
	case uint16:
		return kindUint16, false, 1
	case int16:
		return kindInt16, false, 1
	case uint32:
		return kindUint32, false, 1
	case int32:
		return kindInt32, false, 1
	case float32:
		return kindFloat32, false, 1
	case bool:
		return kindBool, false, 1
	case uint64:
		return kindUint64, false, 1
	case int64:
		return kindInt64, false, 1
	case float64:
		return kindFloat64, false, 1
	case []uint8:
		return kindUint8, true, len(v)
	case []int8:
		return kindInt8, true, len(v)
	case []uint16:
		return kindUint16, true, len(v)
	case []int16:
		return kindInt16, true, len(v)
	case []uint32:
		return kindUint32, true, len(v)
	case []int32:
		return kindInt32, true, len(v)
	case []float32:
		return kindFloat32, true, len(v)
	case []bool:
		return kindBool, true, len(v)
	case []uint64:
		return kindUint64, true, len(v)
	case []int64:
		return kindInt64, true, len(v)
	case []float64:
		return kindFloat64, true, len(v)
	}
	return 0, false, -1
}
