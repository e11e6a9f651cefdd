package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model"
)

// TestCacheType: auto is what attention of every layer is fastest with.
func TestCacheType(t *testing.T) {
	ckpt := func(dims ...int) *model.Checkpoint {
		c := &model.Checkpoint{}
		for _, dim := range dims {
			c.Config.Layers = append(c.Config.Layers, model.Layer{Attention: &model.Attention{HeadDim: dim}}, model.Layer{})
		}
		return c
	}
	types := []kernels.DType{kernels.F16, kernels.F32, kernels.I16}
	codes, floats := kernels.Info{KVTypes: types, Int16: true}, kernels.Info{KVTypes: types}
	auto := kvFlags{KVCacheDtype: "auto"}
	for _, c := range []struct {
		info  kernels.Info
		want  kernels.DType
		ckpts []*model.Checkpoint
	}{
		{codes, kernels.I16, []*model.Checkpoint{ckpt(64, 128), nil}},
		{codes, kernels.F16, []*model.Checkpoint{ckpt(64, 100)}},
		{codes, kernels.F16, []*model.Checkpoint{ckpt(64), ckpt(100)}},
		{floats, kernels.F16, []*model.Checkpoint{ckpt(64)}},
	} {
		got, err := auto.kvType(c.info, c.ckpts...)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	got, err := (&kvFlags{KVCacheDtype: "int16"}).kvType(codes, ckpt(100))
	require.NoError(t, err)
	require.Equal(t, kernels.I16, got, "as asked for")
	_, err = (&kvFlags{KVCacheDtype: "fp8"}).kvType(codes, ckpt(64))
	require.ErrorContains(t, err, "--kv-cache-dtype fp8")
}
