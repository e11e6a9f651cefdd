package cpu

import "golang.org/x/sys/unix"

// adviseHuge asks for huge pages: fewer TLB misses where weights stream. A
// kernel without them refuses, which costs only speed.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

// machineMemory returns the memory of the machine or of the process's cgroups, whichever
// is smallest; 0 if unknown.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	total := int64(info.Totalram) * int64(info.Unit)
	for _, g := range processGroups() {
		total = min(total, g.limit)
	}
	return total
}
