package cpu

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// describeNodes makes a folder with the processors of nodes.
func describeNodes(t *testing.T, lists map[string]string) string {
	folder := t.TempDir()
	for name, list := range lists {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name, "cpulist"), []byte(list), 0o600))
	}
	return folder
}

// TestReadNodes: nodes are what Linux describes, as far as this process may use them.
func TestReadNodes(t *testing.T) {
	even := func(cpu int) bool { return cpu%2 == 0 }
	every := func(int) bool { return true }
	for name, c := range map[string]struct {
		lists   map[string]string
		allowed func(int) bool
		want    []node
	}{
		"one":             {map[string]string{"node0": "0-3\n"}, every, []node{{0, []int{0, 1, 2, 3}}}},
		"two, threads":    {map[string]string{"node0": "0-1,4-5\n", "node1": "2-3,6-7\n"}, every, []node{{0, []int{0, 1, 4, 5}}, {1, []int{2, 3, 6, 7}}}},
		"by number":       {map[string]string{"node10": "0\n", "node9": "1\n", "node2": "2\n"}, every, []node{{2, []int{2}}, {9, []int{1}}, {10, []int{0}}}},
		"memory alone":    {map[string]string{"node0": "0\n", "node1": "\n", "node2": "1\n"}, every, []node{{0, []int{0}}, {2, []int{1}}}},
		"not allowed":     {map[string]string{"node0": "0-3\n", "node1": "5,7\n", "node2": "8-9"}, even, []node{{0, []int{0, 2}}, {2, []int{8}}}},
		"other files":     {map[string]string{"node0": "0\n", "nodes": "x", "power": "x", "node": "x", "node-1": "x", "node1024": "x"}, every, []node{{0, []int{0}}}},
		"not a list":      {map[string]string{"node0": "0\n", "node1": "all\n"}, every, nil},
		"no nodes at all": {nil, every, nil},
	} {
		require.Equal(t, c.want, readNodes(describeNodes(t, c.lists), c.allowed), name)
	}
	require.Nil(t, readNodes(filepath.Join(t.TempDir(), "absent"), every))
	folder := describeNodes(t, map[string]string{"node0": "0\n"})
	require.NoError(t, os.Mkdir(filepath.Join(folder, "node1"), 0o755))
	require.Nil(t, readNodes(folder, every), "a node without a list")
}

// FuzzCPUs: a list of processors is ascending and bounded, or it is refused.
func FuzzCPUs(f *testing.F) {
	for _, list := range []string{"", "0", "0-3,8-11", "0,2-5,8191", "3-1", "1,1", "0-8192", "0-", ",", "-1", "1-2-3", "0-31:2/4", "99999999999999999999"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		cpus, err := parseCPUs(list)
		if err != nil {
			require.Empty(t, cpus)
			return
		}
		require.True(t, slices.IsSorted(cpus))
		require.Equal(t, len(cpus), len(slices.Compact(slices.Clone(cpus))))
		require.True(t, len(cpus) == 0 || cpus[0] >= 0 && cpus[len(cpus)-1] < maxCPUs)
		again, err := parseCPUs(strings.ReplaceAll(strings.Trim(fmt.Sprint(cpus), "[]"), " ", ","))
		require.NoError(t, err)
		require.Equal(t, cpus, again)
	})
}

// TestHomes: threads are shared out over nodes by their processors, in order.
func TestHomes(t *testing.T) {
	two := []node{{0, []int{0, 1, 2, 3}}, {1, []int{4, 5, 6, 7}}}
	uneven := []node{{0, []int{0, 1, 2}}, {3, []int{4}}}
	four := []node{{0, []int{0}}, {1, []int{1}}, {2, []int{2}}, {3, []int{3}}}
	for _, c := range []struct {
		nodes   []node
		threads int
		want    string
	}{
		{nil, 4, ""},
		{two[:1], 4, ""},
		{two, 1, ""},
		{two, 2, "01"},
		{two, 3, "001"},
		{two, 8, "00001111"},
		{two, 16, "0000000011111111"},
		{uneven, 4, "0003"},
		{uneven, 8, "00000033"},
		{uneven, 2, ""},
		{four, 2, "02"},
		{four, 3, "012"},
		{four, 128, strings.Repeat("0", 32) + strings.Repeat("1", 32) + strings.Repeat("2", 32) + strings.Repeat("3", 32)},
	} {
		got := ""
		for _, home := range homesOf(c.nodes, c.threads) {
			got += fmt.Sprint(home.id)
		}
		require.Equal(t, c.want, got, "%d threads on %v", c.threads, c.nodes)
	}
}
