package main

import (
	"cmp"
	"fmt"
	"slices"

	"trona/kernels"
	"trona/model"
)

// kvFlags choose the type of the KV cache; several commands have them.
type kvFlags struct {
	KVCacheDtype string `name:"kv-cache-dtype" help:"Type of the KV cache: auto, f16, bf16, fp8, int16 or int8." enum:"auto,f16,bf16,fp8,int16,int8" default:"auto" placeholder:"auto"`
}

// kvType returns the type of the caches of models on a device.
func (f *kvFlags) kvType(info kernels.Info, ckpts ...*model.Checkpoint) (kernels.DType, error) {
	want := kernels.DType(0)
	switch f.KVCacheDtype {
	case "auto":
		return fastestCache(info, ckpts), nil
	case "f16":
		want = kernels.F16
	case "bf16":
		want = kernels.BF16
	case "fp8":
		want = kernels.F8E4M3
	case "int16":
		want = kernels.I16
	case "int8":
		want = kernels.I8
	}
	if !slices.Contains(info.KVTypes, want) {
		return 0, fmt.Errorf("--kv-cache-dtype %s: not on the device %s, which has %v", f.KVCacheDtype, info.Name, info.KVTypes)
	}
	return want, nil
}

// fastestCache returns the type that attention of all layers is fastest with. A checkpoint
// may be nil.
func fastestCache(info kernels.Info, ckpts []*model.Checkpoint) kernels.DType {
	for _, ckpt := range ckpts {
		if ckpt == nil {
			continue
		}
		for _, l := range ckpt.Config.Layers {
			if l.Attention != nil && !info.InCodes(kernels.I16, int64(l.Attention.HeadDim)) {
				return info.KVTypes[0]
			}
		}
	}
	if info.Int16 {
		return kernels.I16
	}
	return info.KVTypes[0]
}

// cacheFlags say how large the KV cache is, and of what type; serve and plan have them.
type cacheFlags struct {
	MaxModelLen int `help:"Most tokens of a prompt and its answer; 0: as many as the model declares and memory holds." placeholder:"N"`
	MaxNumSeqs  int `help:"Most requests in work at once." default:"16" placeholder:"16"`
	kvFlags
	speculateFlags
	lengthFlag string `kong:"-"` // what users know MaxModelLen as; empty: --max-model-len
}

func (f *cacheFlags) check() error {
	if f.MaxModelLen < 0 {
		return usagef("--max-model-len %d: must not be negative", f.MaxModelLen)
	}
	if f.MaxNumSeqs < 1 || f.MaxNumSeqs > model.MaxSequences {
		return usagef("--max-num-seqs %d: must be 1 to %d", f.MaxNumSeqs, model.MaxSequences)
	}
	return f.speculateFlags.check()
}

// options returns how a model is planned and loaded: serve, run and plan agree.
func (f *cacheFlags) options(c *model.Config, kv kernels.DType) (model.PlanOptions, error) {
	flag := cmp.Or(f.lengthFlag, "--max-model-len")
	switch {
	case f.MaxModelLen <= c.ContextLength:
	case c.Limit != "":
		return model.PlanOptions{}, fmt.Errorf("%s %d: %s limits the model to %d", flag, f.MaxModelLen, c.Limit, c.ContextLength)
	default:
		return model.PlanOptions{}, fmt.Errorf("%s %d: the model declares %d", flag, f.MaxModelLen, c.ContextLength)
	}
	return model.PlanOptions{MaxModelLen: f.MaxModelLen, MaxNumSeqs: f.MaxNumSeqs, Drafts: f.drafts(), KVType: kv}, nil
}

// fit lowers what the flags ask of each of several models to what one declares,
// and to prompts as the source of guesses where no model guesses for it.
func (f cacheFlags) fit(declared, models int, drafted bool) cacheFlags {
	if models > 1 {
		f.MaxModelLen = min(f.MaxModelLen, declared)
	}
	if !drafted {
		f.SpeculativeModel = ""
	}
	return f
}
