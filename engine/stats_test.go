package engine

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every number is added.
func TestStatsAdd(t *testing.T) {
	var a, b, want Stats
	for i := range reflect.TypeFor[Stats]().NumField() {
		for n, s := range map[int64]*Stats{int64(i + 1): &a, 100 * int64(i+1): &b, 101 * int64(i+1): &want} {
			reflect.ValueOf(s).Elem().Field(i).SetInt(n)
		}
	}
	a.Add(&b)
	require.Equal(t, want, a)
}
