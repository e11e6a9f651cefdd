package gguf

import (
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"trona/model/faulttest"

	"github.com/stretchr/testify/require"
)

// counts is a header with these counts of tensors and keys, and 64 bytes more.
func counts(tensors, keys uint64) []byte {
	return le(lit(magic), uint32(3), tensors, keys, make([]byte, 64))
}

func oneKey(parts ...any) []byte { return file([][]byte{le(parts...)}, nil, 0) }

func tensors(infos ...[]byte) []byte { return file(nil, infos, 256) }

// Bad files, most of them of kinds that ended other programs: the names are
// those of advisories and of the catalogue of bad inputs.
func TestRefuses(t *testing.T) {
	const k, v = 24, 24 + 8 + 1 // offsets of the first key and of the type of its value, where the key has one letter
	u32 := le("a", uint32(4), uint32(1))
	nested := []any{"a", uint32(9)}
	for range 1000 {
		nested = append(nested, uint32(9), uint64(1))
	}
	for name, tc := range map[string]struct {
		data   []byte
		field  string
		offset int64
	}{
		"nothing":                   {nil, "magic", 0},
		"CVE-2024-39720 four bytes": {[]byte(magic), "version", 4},
		"magic":                     {[]byte("GGML\x03\x00\x00\x00"), "magic", 0},
		"magic swapped":             {[]byte("FUGG\x03\x00\x00\x00"), "magic", 0},
		"version 0":                 {le(lit(magic), uint32(0), make([]byte, 64)), "version", 4},
		"version 1":                 {le(lit(magic), uint32(1), make([]byte, 64)), "version", 4},
		"version 4":                 {le(lit(magic), uint32(4), make([]byte, 64)), "version", 4},
		"version 2^31":              {le(lit(magic), uint32(1<<31), make([]byte, 64)), "version", 4},
		"big-endian":                {le(lit(magic), uint32(3<<24), make([]byte, 64)), "version", 4},
		"keys 2^16+1":               {counts(0, 1<<16+1), "metadata_kv_count", 16},
		"keys 2^32":                 {counts(0, 1<<32), "metadata_kv_count", 16},
		"CVE-2024-23605 keys 2^63":  {counts(0, 1<<63), "metadata_kv_count", 16},
		"keys 2^64-1":               {counts(0, math.MaxUint64), "metadata_kv_count", 16},
		"keys more than fit":        {counts(0, 5), "metadata_kv_count", 16},
		"tensors 2^20":              {counts(1<<20, 0), "tensor_count", 8},
		"CVE-2024-21836 tensors":    {counts(1<<63, 0), "tensor_count", 8},
		"tensors 2^64-1":            {counts(math.MaxUint64, 0), "tensor_count", 8},
		"tensors more than fit":     {counts(2, 0), "tensor_count", 8},
		"both more than fit":        {counts(1, 3), "tensor_count", 8},

		"key empty":                    {oneKey("", uint32(4), uint32(1), uint64(0)), "key", k + 8},
		"key 65,536":                   {oneKey(string(fill('k', 65536)), uint32(4), uint32(1)), "key", k},
		"key not text":                 {oneKey("\xff", uint32(4), uint32(1)), "key", k + 8},
		"key with NUL":                 {oneKey("a\x00b", uint32(4), uint32(1)), "key", k + 8},
		"key twice":                    {file([][]byte{u32, u32}, nil, 0), `key "a"`, v + 17},
		"CVE-2024-23496 key length":    {oneKey(uint64(math.MaxUint64), make([]byte, 64)), "key", k},
		"value type 13":                {oneKey("a", uint32(13), uint64(1)), `value of "a"`, v},
		"value type -1":                {oneKey("a", uint32(math.MaxUint32), uint64(1)), `value of "a"`, v},
		"truth value 2":                {oneKey("a", uint32(7), uint8(2)), `value of "a"`, v + 4},
		"string too long":              {oneKey("a", uint32(8), uint64(1000)), `value of "a"`, v + 4},
		"string 16 MiB + 1":            {oneKey("a", uint32(8), uint64(16<<20+1), make([]byte, 17<<20)), `value of "a"`, v + 4},
		"CVE-2025-66959 string 2^63":   {oneKey("a", uint32(8), uint64(1<<63)), `value of "a"`, v + 4},
		"CVE-2025-66960 string 2^64-1": {oneKey("a", uint32(8), uint64(math.MaxUint64)), `value of "a"`, v + 4},
		"array type 13":                {oneKey("a", uint32(9), uint32(13), uint64(0)), `value of "a"`, v + 4},
		"CVE-2025-0315 array of 2^62 truth values": {oneKey("a", uint32(9), uint32(7), uint64(1<<62)), `value of "a"`, v + 8},
		"CVE-2026-65315 array of 2^26 strings":     {oneKey("a", uint32(9), uint32(8), uint64(64<<20)), `value of "a"`, v + 8},
		"CVE-2024-21825 count times size":          {oneKey("a", uint32(9), uint32(10), uint64(1<<61+1)), `value of "a"`, v + 8},
		"array one too long":                       {oneKey("a", uint32(9), uint32(0), uint64(32)), `value of "a"`, v + 8},
		"array of 2^26 arrays":                     {oneKey("a", uint32(9), uint32(9), uint64(64<<20)), `value of "a"`, v + 8},
		"truth value of an array":                  {oneKey("a", uint32(9), uint32(7), uint64(2), uint16(0x201)), `value of "a"`, v + 16},
		"arrays nest":                              {oneKey(nested...), `value of "a"`, -1},

		"CVE-2024-8063 alignment 0": {oneKey(alignmentKey, uint32(4), uint32(0)), alignmentKey, -1},
		"alignment 3":               {oneKey(alignmentKey, uint32(4), uint32(3)), alignmentKey, -1},
		"alignment 2^31":            {oneKey(alignmentKey, uint32(4), uint32(1<<31)), alignmentKey, -1},
		"alignment INT32":           {oneKey(alignmentKey, uint32(5), int32(32)), alignmentKey, -1},
		"alignment a string":        {oneKey(alignmentKey, uint32(8), "32"), alignmentKey, -1},

		"no dimensions":                    {tensors(info("t", F32, 0)), `dimensions of tensor "t"`, 24 + 9},
		"five dimensions":                  {tensors(info("t", F32, 0, 1, 1, 1, 1, 1)), `dimensions of tensor "t"`, 24 + 9},
		"CVE-2024-21802 2^32 dimensions":   {tensors(le("t", uint32(math.MaxUint32)), make([]byte, 64)), `dimensions of tensor "t"`, 24 + 9},
		"negative dimension":               {tensors(info("t", F32, 0, 1<<63)), `dimensions of tensor "t"`, 24 + 13},
		"product 2^64":                     {tensors(info("t", F32, 0, 1<<32, 1<<32)), `type of tensor "t"`, -1},
		"CVE-2026-33298 bytes overflow":    {tensors(info("t", F32, 0, 1<<31, 1<<31)), `type of tensor "t"`, -1},
		"part of a block":                  {tensors(info("t", Q4_K, 0, 255)), `type of tensor "t"`, -1},
		"type unknown":                     {tensors(info("t", Type(len(types)), 0, 32)), `type of tensor "t"`, -1},
		"type dropped":                     {tensors(info("t", 31, 0, 32)), `type of tensor "t"`, -1},
		"type negative":                    {tensors(info("t", math.MaxUint32, 0, 32)), `type of tensor "t"`, -1},
		"offset not aligned":               {tensors(info("t", F32, 16, 1)), `offset of tensor "t"`, -1},
		"offset not the next":              {tensors(info("t", F32, 32, 1)), `offset of tensor "t"`, -1},
		"offset 2^64-1":                    {tensors(info("t", F32, math.MaxUint64, 1)), `offset of tensor "t"`, -1},
		"tensors overlap":                  {tensors(info("t", F32, 0, 1), info("u", F32, 0, 1)), `offset of tensor "u"`, -1},
		"tensor twice":                     {tensors(info("t", F32, 0, 1), info("t", F32, 32, 1)), `tensor "t"`, -1},
		"no name":                          {tensors(info("", F32, 0, 1, 1)), "tensor name", -1},
		"name 257":                         {tensors(info(string(fill('n', 257)), F32, 0, 1)), "tensor name", -1},
		"name with newline":                {tensors(info("a\nb", F32, 0, 1)), "tensor name", -1},
		"CVE-2026-27940 sum of two":        {tensors(info("t", 24, 0, 0x7FFFFFFFFFFFFFC0), info("u", 24, 0x7FFFFFFFFFFFFFC0, 0x7FFFFFFFFFFFFFC0)), `offset of tensor "t"`, -1},
		"sum ends beyond 2^63":             {tensors(info("t", 24, 0, math.MaxInt64)), `offset of tensor "t"`, -1},
		"CVE-2025-53630 padding overflows": {tensors(info("t", 24, 0, math.MaxInt64-16)), `offset of tensor "t"`, -1},
		"a file of a set":                  {oneKey(splitCount, uint32(2), uint16(3)), splitCount, -1},
	} {
		t.Run(name, func(t *testing.T) {
			allocated := faulttest.Allocated(func() {
				_, err := Parse(tc.data)
				faulttest.RequireError(t, err, tc.field, tc.offset)
			})
			require.LessOrEqual(t, allocated, faulttest.Bound(len(tc.data)))
		})
	}
}

func TestAccepts(t *testing.T) {
	for name, tc := range map[string][]byte{
		"nothing at all":  counts(0, 0),
		"alignment 1":     oneKey(alignmentKey, uint32(4), uint32(1)),
		"alignment 2^16":  oneKey(alignmentKey, uint32(4), uint32(1<<16)),
		"dimension 0":     tensors(info("t", F32, 0, 0), info("u", F32, 0, 5)),
		"name of 256":     tensors(info(string(fill('n', 256)), F32, 0, 1)),
		"data beyond":     tensors(info("t", F32, 0, 1<<40)),
		"unused types":    tensors(info("t", 16, 0, 256), info("u", 42, 96, 64)),
		"set of one file": oneKey(splitCount, uint32(2), uint16(1)),
		"any text":        oneKey("a", uint32(8), "\xff\x00"),
		"last byte":       oneKey("a", uint32(9), uint32(0), uint64(0)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tc)
			require.NoError(t, err)
		})
	}
}

// Names in messages are cut, and point at what is wrong.
func TestMessages(t *testing.T) {
	_, err := Parse(oneKey(string(fill('k', 5000)), uint32(99), uint32(1)))
	require.Less(t, len(err.Error()), 200)
	_, err = Open(writeFile(t, "x.gguf", tensors(info("t", 31, 0, 32))))
	require.ErrorContains(t, err, `x.gguf: type of tensor "t" (byte 45): Q4_0_4_4 was dropped from the format`)
	_, err = Parse(counts(0, 5))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// Type.size against numbers without limits.
func TestSizeProperty(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	fits := 0
	for range 300_000 {
		typ := Type(rng.IntN(len(types)))
		block, bytes := typ.Block()
		if block == 0 {
			continue
		}
		dims := make([]int64, 1+rng.IntN(maxDims))
		want := big.NewInt(bytes)
		for i := range dims {
			dims[i] = rng.Int64() >> rng.IntN(64)
			if i == 0 {
				dims[0] = dims[0] / block * block
				want.Mul(want, big.NewInt(dims[0]/block))
			} else {
				want.Mul(want, big.NewInt(dims[i]))
			}
		}
		got, err := typ.size(dims)
		// A product that overflows on the way to 0 is refused too.
		if !want.IsInt64() || want.Sign() == 0 && err != nil {
			require.Error(t, err, "%v %v", typ, dims)
			continue
		}
		fits++
		require.NoError(t, err, "%v %v", typ, dims)
		require.Equal(t, want.Int64(), got, "%v %v", typ, dims)
	}
	require.Greater(t, fits, 10_000)
}

// Zeros in every count and number of a file.
func TestZeros(t *testing.T) {
	data := sample(t)
	for _, width := range []int{1, 4, 8} {
		for at := range len(data) - width {
			zero := slices.Clone(data)
			clear(zero[at : at+width])
			faulttest.RequireSound(t, zero, fmt.Sprintf("%d zeros at %d", width, at), use)
		}
	}
}
