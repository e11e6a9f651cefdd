package main

import (
	"errors"
	"fmt"
	"runtime"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/kernels/cuda"
	"trona/model"
)

const maxThreads = 1024

// deviceFlags choose the device; several commands have them.
type deviceFlags struct {
	Device  string `help:"Device to run on: auto, cpu or cuda." enum:"auto,cpu,cuda" default:"auto" placeholder:"auto"`
	Threads int    `help:"Threads of the CPU; 0: as many as this process may use." short:"t" placeholder:"N"`
}

// threads returns the number of threads that the CPU gets.
func (f *deviceFlags) threads() int {
	if f.Threads == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return f.Threads
}

// open opens the device: with auto the first GPU, and the CPU where there is
// none. A GPU that cannot be used is an error, not a reason to be slow.
func (f *deviceFlags) open() (kernels.Device, error) {
	if f.Threads < 0 || f.Threads > maxThreads {
		return nil, usagef("--threads %d: must be 0 to %d", f.Threads, maxThreads)
	}
	if f.Device != "cpu" {
		dev, err := cuda.Open(cuda.Options{})
		switch {
		case err == nil:
			return dev, nil
		case f.Device == "cuda":
			return nil, fmt.Errorf("--device cuda: %w", err)
		case !errors.Is(err, kernels.ErrNoDevice):
			return nil, fmt.Errorf("%w (--device cpu does without)", err)
		}
	}
	return cpu.Open(cpu.Options{Threads: f.Threads})
}

// cacheFlags say what the KV cache holds.
type cacheFlags struct {
	MaxModelLen  int    `help:"Most tokens of a prompt and its answer; 0: as many as the model declares and memory holds." placeholder:"N"`
	MaxNumSeqs   int    `help:"Most requests in work at once." default:"16" placeholder:"16"`
	KVCacheDtype string `name:"kv-cache-dtype" help:"Type of the KV cache: auto, f16, bf16, fp8, int16 or int8." enum:"auto,f16,bf16,fp8,int16,int8" default:"auto" placeholder:"auto"`
	speculateFlags
	lengthFlag string `kong:"-"` // what users know MaxModelLen as; empty: --max-model-len
}

// kvType returns the type of the caches of models on a device.
func (f *cacheFlags) kvType(info kernels.Info, ckpts ...*model.Checkpoint) (kernels.DType, error) {
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
	for _, t := range info.KVTypes {
		if t == want {
			return want, nil
		}
	}
	return 0, fmt.Errorf("--kv-cache-dtype %s: not on the device %s, which has %v", f.KVCacheDtype, info.Name, info.KVTypes)
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

func (f *cacheFlags) check() error {
	if f.MaxModelLen < 0 {
		return usagef("--max-model-len %d: must not be negative", f.MaxModelLen)
	}
	if f.MaxNumSeqs < 1 {
		return usagef("--max-num-seqs %d: must be at least 1", f.MaxNumSeqs)
	}
	return f.speculateFlags.check()
}
