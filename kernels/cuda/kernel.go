package cuda

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// kernel is one function of the compiled code.
type kernel struct {
	name     string
	file     string // the .cu file without its ending
	bytes    int    // of its arguments
	shared   int    // most bytes of dynamic shared memory, where they are many
	function driver.Function
}

// failed adds the kernel's name to an error.
func (k *kernel) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", k.name, err)
}

const numTypes = int(kernels.NVFP4x16) + 1

// gemvSizes are the numbers of tokens that a gemv is compiled for, matmulSizes
// and gemmSizes those of a block of matmul and gemm; normSizes are most columns of
// norms that write inputs of products.
var (
	normSizes   = [...]int64{4096, 8192, 16384}
	gemvSizes   = [...]int64{1, 4, 8}
	matmulSizes = [...]int64{8, 32}
	gemmSizes   = [...]int64{16, 64, 128}
)

// kernelSet has every kernel. Those of a type that has none are nameless.
type kernelSet struct {
	rmsNorm, addRMSNorm, add, gather, feed kernel
	addBias, swiglu                        kernel
	normInputs, addNormInputs              [len(normSizes)]kernel

	embed, dequant [numTypes]kernel
	matmul         [numTypes][len(matmulSizes)]kernel
	gemv           [len(gemvSizes)]kernel // of F32
	convert        kernel
	gemm           [numTypes][len(gemmSizes)]kernel // F16 and BF16: by type of the weights

	// By type of the cache, and those for some head sizes.
	ropeAppendKV, attention [numTypes]kernel
	prefillAtt, decodeAtt   [numTypes][len(headSizes)]kernel
	sampling                [3]kernel // in the order of launches: scan, draw, pick
}

// weightTypes are the types that Pack takes and kernels read. Both forms of
// NVFP4 are one after Pack.
var weightTypes = []kernels.DType{
	kernels.F32, kernels.F16, kernels.BF16, kernels.F8E4M3,
	kernels.Q4_0, kernels.Q4_1, kernels.Q5_0, kernels.Q5_1, kernels.Q8_0,
	kernels.Q2_K, kernels.Q3_K, kernels.Q4_K, kernels.Q5_K, kernels.Q6_K,
	kernels.IQ4_NL, kernels.IQ4_XS, kernels.MXFP4, kernels.NVFP4,
}

// headSizes are those that the attention kernels with tensor cores know.
var headSizes = [...]int64{64, 128}

// cacheTypes are the types of a KV cache, the preferred one first.
var cacheTypes = []kernels.DType{kernels.F16, kernels.BF16, kernels.F32, kernels.F8E4M3, kernels.I8}

// newKernelSet names all kernels.
func newKernelSet() *kernelSet {
	s := &kernelSet{
		rmsNorm:    define[rmsnormArgs]("rmsnorm", "rmsnorm"),
		addRMSNorm: define[rmsnormArgs]("rmsnorm", "add_rmsnorm"),
		add:        define[addArgs]("add", "add"),
		addBias:    define[addBiasArgs]("bias", "add_bias"),
		swiglu:     define[swigluArgs]("bias", "swiglu"),
		gather:     define[gatherArgs]("gather", "gather"),
		feed:       define[gatherArgs]("gather", "feed"),
		convert:    define[convertArgs]("convert", "convert_f16"),
		sampling: [...]kernel{
			define[sampleArgs]("sample", "sample_scan"), define[sampleArgs]("sample", "sample_draw"), define[sampleArgs]("sample", "sample_pick"),
		},
	}
	for i, n := range normSizes {
		s.normInputs[i] = define[rmsnormArgs]("rmsnorm", fmt.Sprintf("rmsnorm_f16_%d", n))
		s.addNormInputs[i] = define[rmsnormArgs]("rmsnorm", fmt.Sprintf("add_rmsnorm_f16_%d", n))
	}
	for _, t := range weightTypes {
		name := strings.ToLower(t.String())
		s.embed[t] = define[embedArgs]("embed", "embed_"+name)
		if t == kernels.F32 {
			continue // its products are never of F16
		}
		s.dequant[t] = define[dequantArgs]("dequant", "dequant_"+name)
		for i, n := range matmulSizes {
			s.matmul[t][i] = define[matmulArgs]("matmul", fmt.Sprintf("matmul_%s_%d", name, n))
		}
	}
	for i, n := range gemvSizes {
		s.gemv[i] = define[gemvArgs]("gemv", fmt.Sprintf("gemv_f32_%d", n))
	}
	for _, t := range []kernels.DType{kernels.F16, kernels.BF16} {
		for i, n := range gemmSizes {
			s.gemm[t][i] = define[gemmArgs]("gemm", fmt.Sprintf("gemm_%s_%d", strings.ToLower(t.String()), n))
			s.gemm[t][i].shared = gemmShared[i]
		}
	}
	for _, t := range cacheTypes {
		name := strings.ToLower(t.String())
		s.ropeAppendKV[t] = define[ropeAppendKvArgs]("rope_append_kv", "rope_append_kv_"+name)
		s.ropeAppendKV[t].shared = sharedMost
		s.attention[t] = define[attentionArgs]("attention", "attention_any_"+name)
		s.attention[t].shared = sharedMost
		for i, dim := range headSizes {
			if t == kernels.F32 {
				continue // no tensor core keeps its precision
			}
			s.prefillAtt[t][i] = define[attentionArgs]("attention_prefill", fmt.Sprintf("attention_prefill_%s_%d", name, dim))
			s.prefillAtt[t][i].shared = prefillShared(dim)
			s.decodeAtt[t][i] = define[decodeArgs]("attention_decode", fmt.Sprintf("attention_decode_%s_%d", name, dim))
			s.decodeAtt[t][i].shared = decodeShared(dim)
		}
	}
	return s
}

func define[Args any](file, name string) kernel {
	return kernel{file: file, name: name, bytes: int(unsafe.Sizeof(*new(Args)))}
}

// all returns every kernel that has a name.
func (s *kernelSet) all() []*kernel {
	list := []*kernel{
		&s.rmsNorm, &s.addRMSNorm, &s.add, &s.addBias, &s.swiglu, &s.gather, &s.feed, &s.convert,
		&s.sampling[0], &s.sampling[1], &s.sampling[2],
	}
	for t := range numTypes {
		list = append(list, &s.embed[t], &s.dequant[t], &s.ropeAppendKV[t], &s.attention[t])
		for i := range s.matmul[t] {
			list = append(list, &s.matmul[t][i])
		}
		for i := range s.gemm[t] {
			list = append(list, &s.gemm[t][i])
		}
		for i := range headSizes {
			list = append(list, &s.prefillAtt[t][i], &s.decodeAtt[t][i])
		}
	}
	for i := range normSizes {
		list = append(list, &s.normInputs[i], &s.addNormInputs[i])
	}
	for i := range s.gemv {
		list = append(list, &s.gemv[i])
	}
	return named(list)
}

// named leaves out the nameless.
func named(list []*kernel) []*kernel {
	return slices.DeleteFunc(list, func(k *kernel) bool { return k.name == "" })
}
