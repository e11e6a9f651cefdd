package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1000000": 1000000, "12B": 12, "1K": 1024, "1k": 1024, "1KB": 1000, "512M": 512 << 20, "16GiB": 16 << 30,
		"16 GiB": 16 << 30, "16gb": 16e9, "1.5G": 3 << 29, "2TiB": 2 << 40,
	} {
		var s size
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		require.EqualValues(t, want, s, text)
	}
	for _, text := range []string{"", "G", "-1", "1X", "1GG", "1iB", "NaN", "1e30", "Inf", "1 2", "1Gi"} {
		require.Error(t, new(size).UnmarshalText([]byte(text)), text)
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 16 << 30: "16.0 GiB", 3 << 50: "3072.0 TiB",
	} {
		require.Equal(t, want, human(n))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123", math.MaxInt64: "9,223,372,036,854,775,807"} {
		require.Equal(t, want, count(n))
	}
}
