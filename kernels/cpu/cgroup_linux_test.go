package cpu

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, cgroupFolders("/sys/fs/cgroup", []byte(test.text))) })
	}
}

// TestMemoryGroups: limits of all cgroups above the process hold, and what the page cache gives
// way is not used.
func TestMemoryGroups(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"memory.max": "max\n", "a/memory.max": "5000\n", "a/memory.current": "4000\n", "a/memory.stat": "inactive_file 1000\n",
		"a/b/memory.max": "max\n", "a/b/memory.current": "700\n", "c/memory.max": "1\n",
		"d/memory.max": "max\n", "d/memory.high": "600\n", "d/memory.current": "50\n",
		"d/e/memory.max": "400\n", "d/e/memory.high": "max\n", "d/e/memory.current": "40\n",
		"memory/a/memory.limit_in_bytes": "3000\n", "memory/a/memory.usage_in_bytes": "100\n",
		"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "100\n", "memory/memory.stat": "total_active_file 8192\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o600))
	}
	require.Equal(t, []memoryGroup{{5000, 3000}}, memoryGroups(root, []byte("0::/a/b\n")))
	require.Equal(t, []memoryGroup{{3000, 100}, {9223372036854771712, 0}}, memoryGroups(root, []byte("3:cpu:/x\n4:memory:/a/b\n")))
	require.Equal(t, []memoryGroup{{400, 40}, {600, 50}}, memoryGroups(root, []byte("0::/d/e\n")))
	require.Empty(t, memoryGroups(root, []byte("0::/\n")))
	require.Positive(t, machineMemory())
}

func TestMemoryFields(t *testing.T) {
	require.EqualValues(t, 2048, memAvailable([]byte("MemTotal: 9 kB\nMemAvailable:       2 kB\n")))
	require.Zero(t, memAvailable(nil))
	require.EqualValues(t, 82, reclaimable([]byte("active_file 5\ninactive_file 77\n")))
	require.EqualValues(t, 90, reclaimable([]byte("active_file 5\ninactive_file 77\ntotal_inactive_file 80\ntotal_active_file 10\n")))
	require.Positive(t, AvailableMemory())
}

// TestAddressSpace: what ulimit -v leaves is all there is.
func TestAddressSpace(t *testing.T) {
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_AS, &before))
	lower := before
	lower.Cur = min(before.Max, 1<<46)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &lower))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &before)) }()
	var kept unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_AS, &kept))
	if kept != lower {
		t.Skip("the system does not keep the limit, as QEMU's user mode")
	}
	left := addressSpace()
	require.Less(t, left, int64(1<<46))
	require.Greater(t, left, int64(1<<45))
}
