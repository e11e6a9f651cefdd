package cubin

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// builder writes a small image as ptxas 12 does.
type builder struct {
	data     []byte
	names    []byte
	sections []byte
	count    int
}

func (b *builder) section(name string, typ, link uint32, data []byte) {
	s := make([]byte, sectionBytes)
	binary.LittleEndian.PutUint32(s, uint32(len(b.names)))
	binary.LittleEndian.PutUint32(s[4:], typ)
	binary.LittleEndian.PutUint64(s[24:], uint64(len(b.data)))
	binary.LittleEndian.PutUint64(s[32:], uint64(len(data)))
	binary.LittleEndian.PutUint32(s[40:], link)
	b.names = append(append(b.names, name...), 0)
	b.data = append(b.data, data...)
	b.sections = append(b.sections, s...)
	b.count++
}

func sized(attr byte, words ...uint32) []byte {
	out := []byte{formatSized, attr, byte(4 * len(words)), 0}
	for _, w := range words {
		out = binary.LittleEndian.AppendUint32(out, w)
	}
	return out
}

// image has kernel "k" with parameters of 8 and 4 bytes, 24 registers, at most
// 128 threads, 1 KiB of shared memory and a frame of `frame` bytes.
func image(abi byte, flags, frame uint32) []byte {
	b := &builder{data: make([]byte, headerBytes)}
	b.section("", 0, 0, nil)
	b.section(".strtab", 3, 0, []byte("\x00k\x00"))
	symbols := make([]byte, 2*symbolBytes)
	binary.LittleEndian.PutUint32(symbols[symbolBytes:], 1)
	b.section(".symtab", typeSymbols, 1, symbols)
	b.section(".nv.info", 1, 0, append(sized(attrRegisters, 1, 24), sized(attrFrameSize, 1, frame)...))
	info := sized(attrParamInfo, 0, 8<<16|1, 4<<18|0x1f000)
	info = append(info, sized(attrParamInfo, 0, 0, 8<<18|0x1f000)...)
	info = append(info, formatHalf, 0x19, 12, 0)
	info = append(info, sized(attrMaxThreads, 64, 2, 1)...)
	b.section(".nv.info.k", 1, 0, info)
	b.section(".text.k", 1, 0, make([]byte, 128))
	b.section(".nv.shared.k", typeNoBits, 0, make([]byte, 1024))
	b.section(".shstrtab", 3, 0, nil)
	last := b.sections[len(b.sections)-sectionBytes:]
	binary.LittleEndian.PutUint64(last[24:], uint64(len(b.data)))
	binary.LittleEndian.PutUint64(last[32:], uint64(len(b.names)))
	b.data = append(b.data, b.names...)
	h := b.data
	copy(h, "\x7fELF\x02\x01\x01")
	h[7] = abi
	binary.LittleEndian.PutUint16(h[18:], machineCUDA)
	binary.LittleEndian.PutUint32(h[20:], 0x81)
	binary.LittleEndian.PutUint64(h[40:], uint64(len(b.data)))
	binary.LittleEndian.PutUint32(h[48:], flags)
	binary.LittleEndian.PutUint16(h[60:], uint16(b.count))
	binary.LittleEndian.PutUint16(h[62:], uint16(b.count-1))
	return append(b.data, b.sections...)
}

func TestParseELF(t *testing.T) {
	for _, c := range []struct {
		name  string
		abi   byte
		flags uint32
		sm    int
		// shared memory of the kernel's own
		shared int
	}{{"CUDA 12", 0x33, 0x5a0d5a, 90, 0}, {"CUDA 13", 0x41, 0x6005004, 80, 1024}} {
		f, err := Parse(image(c.abi, c.flags, 16))
		require.NoError(t, err, c.name)
		require.Equal(t, c.sm, f.SM, c.name)
		require.Equal(t, []Kernel{{
			Name: "k", Params: []Param{{0, 8}, {8, 4}}, MaxThreads: 128, Registers: 24, Stack: 16, Shared: c.shared,
		}}, f.Kernels)
		require.Equal(t, 12, f.Kernels[0].ParamBytes())
	}
	require.Nil(t, new(File).Kernel("k"))
}

const ptx = `
.version 8.0
.target sm_80
.address_size 64

.visible .entry two(
	.param .u64 two_param_0,
	.param .u32 two_param_1,
	.param .align 8 .b8 two_param_2[40]
)
.maxntid 64, 2, 1
{
	ret;
}
.visible .entry none()
{ ret; }
`

func TestParsePTX(t *testing.T) {
	f, err := Parse([]byte(ptx))
	require.NoError(t, err)
	require.Equal(t, &File{SM: 80, Kernels: []Kernel{
		{Name: "two", Params: []Param{{0, 8}, {8, 4}, {16, 40}}, MaxThreads: 128},
		{Name: "none"},
	}}, f)
}

// TestDamage: every cut and many flips give an error or a result, no panic.
func TestDamage(t *testing.T) {
	whole := image(0x33, 0x500550, 0)
	var format *FormatError
	for n := range len(whole) {
		_, err := Parse(whole[:n])
		require.True(t, errors.As(err, &format), "cut at %d: %v", n, err)
	}
	for _, text := range []string{"", "hello", ".target sm_80\n.entry k(.param .v3 x) {"} {
		_, err := Parse([]byte(text))
		require.True(t, errors.As(err, &format), "%q: %v", text, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(image(0x33, 0x500550, 0))
	f.Add([]byte(ptx))
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := Parse(data); err == nil {
			for i := range file.Kernels {
				file.Kernels[i].ParamBytes()
			}
		}
	})
}
