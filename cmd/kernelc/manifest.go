package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// manifest is what stands in fatbin/MANIFEST: what the images were made from
// and what each kernel costs.
type manifest struct {
	compiler, flags string
	sources         []manifestSource
	images          []manifestImage
	kernels         []manifestKernel
}

type manifestSource struct{ stem, hash string }

// manifestImage is one file of fatbin/.
type manifestImage struct {
	stem, arch string
	bytes      int // before compression
	hash       string
	code       []byte // not in the text
}

func (i *manifestImage) file() string { return i.stem + "." + i.arch + ".zst" }

type manifestKernel struct {
	stem, arch, name                                  string
	params, threads, registers, stack, spills, shared int
	opcodes                                           map[string]int
}

func sortKernels(k []manifestKernel) {
	slices.SortFunc(k, func(a, b manifestKernel) int { return strings.Compare(a.name, b.name) })
}

// has reports whether the images of a file were made from the file as it is.
func (m *manifest) has(f *sourceFile) bool {
	return slices.Contains(m.sources, manifestSource{f.stem, f.hash})
}

// image returns an image of the manifest and its kernels.
func (m *manifest) image(stem, arch string) (*manifestImage, []manifestKernel) {
	i := slices.IndexFunc(m.images, func(i manifestImage) bool { return i.stem == stem && i.arch == arch })
	if i < 0 {
		return nil, nil
	}
	image := m.images[i]
	var kernels []manifestKernel
	for _, k := range m.kernels {
		if k.stem == stem && k.arch == arch {
			kernels = append(kernels, k)
		}
	}
	return &image, kernels
}

const manifestHead = `# Written by cmd/kernelc. A change of registers, stack or opcodes is what a review looks at.
`

// String returns the text of the file.
func (m *manifest) String() string {
	var b strings.Builder
	b.WriteString(manifestHead)
	fmt.Fprintf(&b, "compiler %s\nflags %s\n", m.compiler, m.flags)
	for _, s := range m.sources {
		fmt.Fprintf(&b, "source %s %s\n", s.stem, s.hash)
	}
	for _, i := range m.images {
		fmt.Fprintf(&b, "image %s %s bytes %d sha256 %s\n", i.stem, i.arch, i.bytes, i.hash)
	}
	for _, k := range m.kernels {
		fmt.Fprintf(&b, "kernel %s %s %s params %d threads %d registers %d stack %d spills %d shared %d", k.stem, k.arch, k.name,
			k.params, k.threads, k.registers, k.stack, k.spills, k.shared)
		for _, op := range append([]string{total}, counted...) {
			if n := k.opcodes[op]; n > 0 {
				fmt.Fprintf(&b, " %s %d", op, n)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// readManifest reads the MANIFEST of a folder.
func readManifest(folder string) (*manifest, error) {
	path := filepath.Join(folder, "MANIFEST")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// parseManifest reads what String writes.
func parseManifest(text string) (*manifest, error) {
	m := &manifest{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		f := strings.Fields(rest)
		ok := true
		switch {
		case word == "#":
		case word == "compiler":
			m.compiler = rest
		case word == "flags":
			m.flags = rest
		case word == "source" && len(f) == 2:
			m.sources = append(m.sources, manifestSource{f[0], f[1]})
		case word == "image" && len(f) == 6:
			var bytes int
			bytes, ok = counter(f[3])
			m.images = append(m.images, manifestImage{stem: f[0], arch: f[1], bytes: bytes, hash: f[5]})
		case word == "kernel" && len(f) >= 15:
			var k manifestKernel
			k, ok = parseKernel(f)
			m.kernels = append(m.kernels, k)
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("line %d: %q", n, line)
		}
	}
	return m, nil
}

// counter reads a number that counts something.
func counter(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil
}

// parseKernel reads the words of a kernel's line: names, then pairs.
func parseKernel(f []string) (manifestKernel, bool) {
	k := manifestKernel{stem: f[0], arch: f[1], name: f[2], opcodes: map[string]int{}}
	fields := map[string]*int{
		"params": &k.params, "threads": &k.threads, "registers": &k.registers,
		"stack": &k.stack, "spills": &k.spills, "shared": &k.shared,
	}
	if len(f)%2 == 0 {
		return k, false
	}
	for i := 3; i < len(f); i += 2 {
		n, ok := counter(f[i+1])
		if !ok {
			return k, false
		}
		if field := fields[f[i]]; field != nil {
			*field = n
		} else {
			k.opcodes[f[i]] = n
		}
	}
	return k, true
}

// newPacker returns what compresses code. The same bytes come out every time.
func newPacker() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constant
	}
	return e
}

// readImage reads and unpacks a file of fatbin/.
func readImage(folder, file string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	code, err := d.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return code, nil
}
