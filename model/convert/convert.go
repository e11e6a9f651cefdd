package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"

	"trona/kernels"
	"trona/model"
	"trona/model/gguf"
	"trona/model/mmap"
)

// Options says how to write a file.
type Options struct {
	Target Target
	Name   string // general.name, where the source is a folder
	// Tokenizer writes the keys of the tokenizer, where the source is a folder.
	// Values are those of gguf.Writer.Set. Without it the file says that it has
	// none, in the word that other readers know too.
	Tokenizer func(w interface {
		Set(key string, value any) error
	}) error
	Threads int // 0: as many as Go may use at a time
	// Progress, if set, is called with the bytes written and those of all
	// tensors, from one goroutine at a time.
	Progress func(done, total int64)
}

// Result is what File wrote.
type Result struct {
	Tensors int
	Bytes   int64 // of the file
	// Requantised counts the matrices that were quantised before, and had to
	// be decoded: their errors add up.
	Requantised int
}

// File writes a checkpoint as the GGUF file dst, which must not exist. It
// writes to a temporary file beside it, opens that to compare its
// configuration with the source's, and gives it the name at the end.
func File(ctx context.Context, src *model.Checkpoint, dst string, o Options) (result Result, err error) {
	if _, err := os.Lstat(dst); err == nil {
		return result, fmt.Errorf("%s: %w", dst, os.ErrExist)
	}
	f, err := createPart(dst)
	if err != nil {
		return result, err
	}
	defer func() {
		f.Close() // again, after the one that counts
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if result, err = Write(ctx, f, src, o); err != nil {
		return result, err
	}
	if err := f.Sync(); err != nil {
		return result, err
	}
	if err := f.Close(); err != nil {
		return result, err
	}
	if err := check(src, f.Name()); err != nil {
		return result, err
	}
	return result, publish(f.Name(), dst)
}

// createPart creates the temporary file, for whom the umask says: some file systems refuse to
// change that later.
func createPart(dst string) (*os.File, error) {
	name := fmt.Sprintf(".%s.%d.part", filepath.Base(dst), rand.Uint64())
	return os.OpenFile(filepath.Join(filepath.Dir(dst), name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
}

// publish gives a whole file its name, unless another took that meanwhile, which renaming would
// not notice.
func publish(part, dst string) error {
	switch err := os.Link(part, dst); {
	case err == nil:
		return os.Remove(part)
	case errors.Is(err, os.ErrExist):
		return err
	}
	return os.Rename(part, dst) // the file system has no links
}

// check opens a written file and compares what it says with the source.
func check(src *model.Checkpoint, path string) error {
	got, err := model.Open(path)
	if err != nil {
		return fmt.Errorf("the written file: %w", err)
	}
	defer got.Close()
	want, c := &src.Config, &got.Config
	for _, id := range want.EOS {
		if !slices.Contains(c.EOS, id) {
			return fmt.Errorf("end token %d of %d: GGUF has no key for so many", id, len(want.EOS))
		}
	}
	for _, same := range []struct {
		name      string
		want, got any
	}{
		{"layers", want.Layers, c.Layers},
		{"vocabulary", want.VocabSize, c.VocabSize},
		{"hidden size", want.HiddenSize, c.HiddenSize},
		{"context length", want.ContextLength, c.ContextLength},
		{"norm epsilon", want.NormEps, c.NormEps},
		{"tied embedding", want.TiedEmbedding, c.TiedEmbedding},
		{"multipliers", want.Multipliers, c.Multipliers},
		{"rotary theta", float32(want.Rotary.Theta), float32(c.Rotary.Theta)},
		{"rotary dimensions", [2]int{want.Rotary.Dim, want.Rotary.Rotated}, [2]int{c.Rotary.Dim, c.Rotary.Rotated}},
	} {
		if !reflect.DeepEqual(same.want, same.got) {
			return fmt.Errorf("GGUF cannot say this configuration: %s are %v, read back %v", same.name, same.want, same.got)
		}
	}
	return nil
}

// Write writes a checkpoint as a GGUF file, tensor by tensor: memory is bounded
// by a few rows for each thread.
func Write(ctx context.Context, out io.Writer, src *model.Checkpoint, o Options) (Result, error) {
	c := &converter{ctx: ctx, src: src, o: o, counter: &counter{out: out}}
	if c.o.Threads == 0 {
		c.o.Threads = runtime.GOMAXPROCS(0)
	}
	c.w = gguf.NewWriter(c.counter)
	err := mmap.Guard(c.run)
	c.result.Bytes = c.counter.n
	return c.result, err
}

// counter counts what is written.
type counter struct {
	out io.Writer
	n   int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	c.n += int64(n)
	return n, err
}

type converter struct {
	ctx         context.Context
	src         *model.Checkpoint
	o           Options
	counter     *counter
	w           *gguf.Writer
	result      Result
	done, total int64
}

func (c *converter) run() error {
	parts, err := c.src.Parts()
	if err != nil {
		return err
	}
	if err := c.keys(); err != nil {
		return err
	}
	divisors, err := c.src.Divisors()
	if err != nil {
		return err
	}
	types := c.o.Target.Types(&c.src.Config, parts)
	for i := 0; i < len(parts); {
		first, rows := i, int64(0)
		for ; i < len(parts) && parts[i].Name == parts[first].Name; i++ {
			rows += parts[i].Rows
		}
		if err := c.add(&parts[first], rows, types[first]); err != nil {
			return err
		}
	}
	for _, d := range divisors {
		if err := c.w.Add(d.Name, gguf.F32, int64(len(d.Values))); err != nil {
			return err
		}
	}
	if err := c.fits(); err != nil {
		return err
	}
	for i := range parts {
		if err := c.part(&parts[i], types[i]); err != nil {
			return fmt.Errorf("%s: %w", parts[i].Name, err)
		}
	}
	for _, d := range divisors {
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, d.Values); err != nil {
			return err
		}
		if _, err := c.w.Write(b.Bytes()); err != nil {
			return err
		}
	}
	return c.w.Close()
}

// fits refuses what the disk has no room for before much is written.
func (c *converter) fits() error {
	f, ok := c.counter.out.(*os.File)
	if !ok {
		return nil
	}
	if left := space(f); left < c.total {
		return fmt.Errorf("%s has room for %d bytes, the weights need %d", filepath.Dir(f.Name()), left, c.total)
	}
	return nil
}

// keys writes the metadata.
func (c *converter) keys() error {
	k := &keyWriter{w: c.w}
	if f := c.src.GGUF(); f != nil {
		k.copyKeys(f, &c.o.Target)
		return k.err
	}
	k.folderKeys(c.src, &c.o.Target, c.o.Name)
	t := &tokenizerKeys{keyWriter: k, eos: -1}
	if c.o.Tokenizer == nil {
		k.set("tokenizer.ggml.model", "no_vocab")
	} else if err := c.o.Tokenizer(t); err != nil {
		return err
	}
	t.ends(c.src.Config.EOS)
	return k.err
}

// add declares the tensor of a part, which has the rows of all with its name.
func (c *converter) add(p *model.Part, rows int64, typ kernels.DType) error {
	t, err := gguf.ParseType(typ.String())
	if err != nil {
		return err
	}
	shape := []int64{rows, p.Cols}
	if p.Vector {
		shape = shape[1:]
	}
	c.total += rows * typ.RowBytes(p.Cols)
	c.result.Tensors++
	return c.w.Add(p.Name, t, shape...)
}
