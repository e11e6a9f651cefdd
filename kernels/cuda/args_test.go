package cuda

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"structs"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels/cuda/driver"
)

var rewrite = flag.Bool("rewrite", false, "rewrite generated files")

// argStructs are the structs that cross over to the device, in an order in
// which C can read them.
func argStructs() []any {
	return []any{
		fault{}, weightArgs{}, codeTable{}, embedArgs{}, inputArgs{}, rmsnormArgs{}, addArgs{}, biasPart{}, addBiasArgs{}, swigluArgs{}, gatherArgs{},
		kvArgs{}, ropeAppendKvArgs{}, attentionItem{}, attentionArgs{}, decodeArgs{}, convertArgs{}, dequantArgs{}, matmulPart{}, matmulArgs{}, gemvArgs{}, gemmArgs{}, gemmSm90Args{}, attentionSm90Args{},
		sampleRow{}, sampled{}, tokenLogprob{}, samplePiece{}, sampleArgs{},
	}
}

// TestArgsHeader holds args_gen.h to the Go structs; -rewrite writes it.
func TestArgsHeader(t *testing.T) {
	got := argsHeader(t)
	if *rewrite {
		require.NoError(t, os.WriteFile("args_gen.h", []byte(got), 0o644))
	}
	want, err := os.ReadFile("args_gen.h")
	require.NoError(t, err)
	require.Equal(t, string(want), got, "args_gen.h is stale: go test ./kernels/cuda -run ArgsHeader -rewrite")
}

// TestMapsFirst: launchMapped writes maps to where arguments begin.
func TestMapsFirst(t *testing.T) {
	const size = unsafe.Sizeof(driver.TensorMap{})
	var gemm gemmSm90Args
	var attention attentionSm90Args
	require.Equal(t, [2]uintptr{0, size}, [2]uintptr{unsafe.Offsetof(gemm.w), unsafe.Offsetof(gemm.x)})
	require.Equal(t, [2]uintptr{0, size}, [2]uintptr{unsafe.Offsetof(attention.k), unsafe.Offsetof(attention.v)})
}

func argsHeader(t *testing.T) string {
	var b strings.Builder
	b.WriteString("// Code generated from args.go by TestArgsHeader -rewrite. DO NOT EDIT.\n#pragma once\n\n")
	// Macros: the compiler would put constants into the memory of every module.
	for _, c := range constants() {
		fmt.Fprintf(&b, "#define %s i32(%d)\n", c.name, c.value)
	}
	for _, s := range argStructs() {
		typ := reflect.TypeOf(s)
		name := cName(typ)
		fmt.Fprintf(&b, "\nstruct %s {\n", name)
		end := uintptr(0)
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Type == reflect.TypeFor[structs.HostLayout]() {
				continue // nothing in C
			}
			require.Equal(t, end, f.Offset, "%s.%s: Go pads before it", name, f.Name)
			end += f.Type.Size()
			b.WriteString("    " + cField(f, i) + ";\n")
		}
		require.Equal(t, end, typ.Size(), "%s: Go pads at its end", name)
		fmt.Fprintf(&b, "};\nstatic_assert(sizeof(%s) == %d, \"%s\");\n", name, typ.Size(), name)
	}
	return b.String()
}

func cName(t reflect.Type) string { return strings.ToUpper(t.Name()[:1]) + t.Name()[1:] }

func cField(f reflect.StructField, i int) string {
	name, typ := f.Name, f.Type
	if name == "_" {
		name = fmt.Sprintf("unused%d", i)
	}
	if typ == reflect.TypeFor[driver.TensorMap]() {
		return "TensorMap " + name // of gpu.h
	}
	if typ.Kind() == reflect.Array {
		return fmt.Sprintf("%s %s[%d]", cScalar(typ.Elem(), ""), name, typ.Len())
	}
	return cScalar(typ, f.Tag.Get("c")) + " " + name
}

func cScalar(t reflect.Type, tag string) string {
	if t == reflect.TypeFor[addr]() {
		if tag == "" {
			panic("an address needs its type in C")
		}
		return tag
	}
	switch t.Kind() {
	case reflect.Struct:
		return cName(t)
	case reflect.Int32:
		return "i32"
	case reflect.Uint32:
		return "u32"
	case reflect.Int64:
		return "i64"
	case reflect.Uint64:
		return "u64"
	case reflect.Float32:
		return "float"
	case reflect.Float64:
		return "double"
	}
	panic(fmt.Sprintf("no type in C for %v", t))
}
