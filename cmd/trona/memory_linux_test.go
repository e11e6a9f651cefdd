package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCgroupFolders(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"version 2":      {"0::/user.slice/a.scope\n", []string{"/sys/fs/cgroup/user.slice/a.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"}},
		"container root": {"0::/\n", []string{"/sys/fs/cgroup"}},
		"version 1":      {"12:cpu,cpuacct:/x\n4:memory:/docker/ab\n", []string{"/sys/fs/cgroup/memory/docker/ab", "/sys/fs/cgroup/memory/docker", "/sys/fs/cgroup/memory"}},
		"colon in name":  {"0::/a:b\n", []string{"/sys/fs/cgroup/a:b", "/sys/fs/cgroup"}},
		"nonsense":       {"x\n", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, cgroupFolders([]byte(test.text))) })
	}
}

func TestMemoryFields(t *testing.T) {
	require.EqualValues(t, 2048, memAvailable([]byte("MemTotal: 9 kB\nMemAvailable:       2 kB\n")))
	require.Zero(t, memAvailable(nil))
	require.EqualValues(t, 77, reclaimable([]byte("active_file 5\ninactive_file 77\n")))
	require.Positive(t, availableMemory())
}
