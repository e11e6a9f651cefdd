// Package cubin reads what compiled CUDA code says about its kernels: names,
// parameters, registers, memory. It reads machine code (ELF, as ptxas 12 and 13
// write it) and PTX text.
package cubin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// File is one image.
type File struct {
	SM      int // compute capability, as in 80 or 90; of PTX the least
	Kernels []Kernel
}

// Kernel is one entry point. Of PTX only name, parameters and threads are known.
type Kernel struct {
	Name       string
	Params     []Param // in order
	MaxThreads int     // of a block, by launch bounds; 0: none stated
	Registers  int     // of a thread
	Stack      int     // bytes of local memory of a thread: spills, arrays
	Shared     int     // bytes of static shared memory of a block
}

// Param is one parameter: where in the parameter block, and how large.
type Param struct{ Offset, Bytes int }

// ParamBytes is the size of the parameter block.
func (k *Kernel) ParamBytes() int {
	n := 0
	for _, p := range k.Params {
		n = max(n, p.Offset+p.Bytes)
	}
	return n
}

// Kernel returns the kernel of that name, nil if there is none.
func (f *File) Kernel(name string) *Kernel {
	for i := range f.Kernels {
		if f.Kernels[i].Name == name {
			return &f.Kernels[i]
		}
	}
	return nil
}

// FormatError says which part of an image makes no sense.
type FormatError struct {
	Part   string
	Offset int64 // in the image
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("compiled code: %s at byte %d: %s", e.Part, e.Offset, e.Reason)
}

// Parse reads an image: an ELF file, or PTX text.
func Parse(image []byte) (*File, error) {
	if bytes.HasPrefix(image, []byte("\x7fELF")) {
		return parseELF(image)
	}
	return parsePTX(image)
}

// Sizes and numbers of ELF64 (System V ABI), and those that NVIDIA added (as
// cuobjdump -elf names them).
const (
	headerBytes  = 64
	sectionBytes = 64
	symbolBytes  = 24

	typeSymbols = 2
	typeNoBits  = 8
	machineCUDA = 190
	abiCUDA12   = 0x33

	formatNone, formatByte, formatHalf, formatSized = 1, 2, 3, 4

	// Since compute capability 9.0 the system takes 1 KiB of each block's shared
	// memory, and the section counts it (CUDA C++ Programming Guide, "Compute
	// Capability 9.x").
	reservedShared = 1024

	attrMaxThreads = 0x05
	attrFrameSize  = 0x11
	attrParamInfo  = 0x17
	attrRegisters  = 0x2f
)

type section struct {
	name             string
	typ, link        uint32
	offset, size     uint64
	stringTableIndex uint32 // of the name
}

// elf is an image being read.
type elf struct {
	data     []byte
	sections []section
	symbols  []string
}

func parseELF(image []byte) (*File, error) {
	e := &elf{data: image}
	sm, err := e.header()
	if err != nil {
		return nil, err
	}
	f := &File{SM: sm}
	for i := range e.sections {
		if name, ok := strings.CutPrefix(e.sections[i].name, ".text."); ok {
			f.Kernels = append(f.Kernels, Kernel{Name: name})
		}
	}
	for i := range e.sections {
		if err := e.describe(f, &e.sections[i]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// part returns n bytes at an offset.
func (e *elf) part(name string, at, n uint64) ([]byte, error) {
	if at > uint64(len(e.data)) || n > uint64(len(e.data))-at {
		return nil, &FormatError{name, int64(at), fmt.Sprintf("%d bytes are more than the image has", n)}
	}
	return e.data[at : at+n], nil
}

// header reads the ELF header, all sections and all symbols.
func (e *elf) header() (sm int, err error) {
	h, err := e.part("header", 0, headerBytes)
	if err != nil {
		return 0, err
	}
	if h[4] != 2 || h[5] != 1 || binary.LittleEndian.Uint16(h[18:]) != machineCUDA {
		return 0, &FormatError{"header", 4, "not little-endian 64-bit CUDA code"}
	}
	flags := binary.LittleEndian.Uint32(h[48:])
	sm = int(flags & 0xff)
	if h[7] != abiCUDA12 {
		sm = int(flags >> 8 & 0xff)
	}
	table := binary.LittleEndian.Uint64(h[40:])
	count, names := int(binary.LittleEndian.Uint16(h[60:])), int(binary.LittleEndian.Uint16(h[62:]))
	b, err := e.part("section table", table, uint64(count)*sectionBytes)
	if err != nil {
		return 0, err
	}
	for ; len(b) > 0; b = b[sectionBytes:] {
		e.sections = append(e.sections, section{
			stringTableIndex: binary.LittleEndian.Uint32(b), typ: binary.LittleEndian.Uint32(b[4:]),
			offset: binary.LittleEndian.Uint64(b[24:]), size: binary.LittleEndian.Uint64(b[32:]),
			link: binary.LittleEndian.Uint32(b[40:]),
		})
	}
	for i := range e.sections {
		s := &e.sections[i]
		if s.name, err = e.text(names, s.stringTableIndex); err != nil {
			return 0, err
		}
	}
	return sm, e.readSymbols()
}

// text returns a string of string table section number `table`.
func (e *elf) text(table int, at uint32) (string, error) {
	if table >= len(e.sections) {
		return "", &FormatError{"string table", 0, fmt.Sprintf("section %d of %d", table, len(e.sections))}
	}
	s := &e.sections[table]
	b, err := e.part("string table", s.offset, s.size)
	if err != nil {
		return "", err
	}
	if uint64(at) >= s.size {
		return "", &FormatError{"string table", int64(s.offset), fmt.Sprintf("string at %d of %d bytes", at, s.size)}
	}
	text, _, ok := bytes.Cut(b[at:], []byte{0})
	if !ok {
		return "", &FormatError{"string table", int64(s.offset), "a string has no end"}
	}
	return string(text), nil
}

func (e *elf) readSymbols() error {
	for i := range e.sections {
		s := &e.sections[i]
		if s.typ != typeSymbols {
			continue
		}
		b, err := e.part("symbols", s.offset, s.size)
		if err != nil {
			return err
		}
		for ; len(b) >= symbolBytes; b = b[symbolBytes:] {
			name, err := e.text(int(s.link), binary.LittleEndian.Uint32(b))
			if err != nil {
				return err
			}
			e.symbols = append(e.symbols, name)
		}
		return nil
	}
	return &FormatError{"header", 0, "no symbol table"}
}

// describe adds what one section says about a kernel, or about all of them.
func (e *elf) describe(f *File, s *section) error {
	if name, ok := strings.CutPrefix(s.name, ".nv.shared."); ok {
		if k := f.Kernel(name); k != nil {
			k.Shared = int(min(s.size, 1<<30))
			if f.SM >= 90 {
				k.Shared = max(0, k.Shared-reservedShared)
			}
		}
	}
	if name, ok := strings.CutPrefix(s.name, ".nv.local."); ok {
		if k := f.Kernel(name); k != nil {
			k.Stack = max(k.Stack, int(min(s.size, 1<<30)))
		}
	}
	name, ok := strings.CutPrefix(s.name, ".nv.info")
	if !ok || s.typ == typeNoBits {
		return nil
	}
	b, err := e.part(s.name, s.offset, s.size)
	if err != nil {
		return err
	}
	k := f.Kernel(strings.TrimPrefix(name, "."))
	for at := 0; at < len(b); {
		if len(b)-at < 4 {
			return &FormatError{s.name, int64(s.offset) + int64(at), "an attribute is cut off"}
		}
		format, attr, value := b[at], b[at+1], binary.LittleEndian.Uint16(b[at+2:])
		at += 4
		var data []byte
		switch format {
		case formatNone, formatByte, formatHalf:
		case formatSized:
			if int(value) > len(b)-at {
				return &FormatError{s.name, int64(s.offset) + int64(at), fmt.Sprintf("an attribute of %d bytes is cut off", value)}
			}
			data = b[at : at+int(value)]
			at += int(value)
		default:
			return &FormatError{s.name, int64(s.offset) + int64(at), fmt.Sprintf("an attribute of format %d", format)}
		}
		e.attribute(f, k, attr, data)
	}
	return nil
}

// attribute notes one attribute; k is nil in the section that speaks of all
// kernels, by symbol.
func (e *elf) attribute(f *File, k *Kernel, attr byte, data []byte) {
	word := func(i int) int { return int(binary.LittleEndian.Uint32(data[4*i:])) }
	switch {
	case k != nil && attr == attrMaxThreads && len(data) == 12:
		k.MaxThreads = word(0) * word(1) * word(2)
	case k != nil && attr == attrParamInfo && len(data) == 12:
		k.Params = append(k.Params, Param{Offset: word(1) >> 16, Bytes: word(2) >> 18})
		slices.SortFunc(k.Params, func(a, b Param) int { return a.Offset - b.Offset })
	case k == nil && len(data) == 8 && (attr == attrRegisters || attr == attrFrameSize):
		if i := word(0); i < len(e.symbols) {
			if k := f.Kernel(e.symbols[i]); k != nil && attr == attrRegisters {
				k.Registers = word(1)
			} else if k != nil {
				k.Stack = max(k.Stack, word(1))
			}
		}
	}
}
