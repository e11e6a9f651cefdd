package cpu

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// AvailableMemory returns the bytes that this process may still take: what the
// system has left, or less where a cgroup or its address space (ulimit -v) limits it; 0 if unknown.
func AvailableMemory() int64 {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	free := addressSpace()
	if available := memAvailable(info); available > 0 { // Linux before 3.14 does not say
		free = min(free, available)
	}
	for _, g := range processGroups() {
		free = min(free, g.limit-g.used)
	}
	if free == math.MaxInt64 {
		return 0
	}
	return max(free, 1) // none is not unknown
}

// stacks is the address space that stays free for threads to come, 8 MiB each, and for Go's heap,
// which grows by 64.
const stacks = 256 << 20

// addressSpace returns the bytes that this process may still map, beside stacks.
func addressSpace() int64 {
	var limit unix.Rlimit
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil || unix.Getrlimit(unix.RLIMIT_AS, &limit) != nil || limit.Cur > math.MaxInt64 {
		return math.MaxInt64
	}
	pages := int64(0)
	if words := strings.Fields(string(statm)); len(words) > 0 {
		pages, _ = strconv.ParseInt(words[0], 10, 64)
	}
	return int64(limit.Cur) - pages*int64(os.Getpagesize()) - stacks
}

// memAvailable reads MemAvailable of /proc/meminfo.
func memAvailable(info []byte) int64 {
	return field(info, "MemAvailable:") << 10
}

// memoryGroup is a cgroup that limits memory.
type memoryGroup struct{ limit, used int64 }

// processGroups returns those that hold for this process.
func processGroups() []memoryGroup {
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	return memoryGroups("/sys/fs/cgroup", cgroups)
}

// memoryGroups returns the cgroup of /proc/self/cgroup and all above it, whose limits hold too,
// where there is a limit.
func memoryGroups(root string, cgroups []byte) []memoryGroup {
	var groups []memoryGroup
	for _, folder := range cgroupFolders(root, cgroups) {
		limit, used := readNumber(folder+"/memory.max"), readNumber(folder+"/memory.current")
		// Above this a cgroup is slowed down until it is of no use (systemd's MemoryHigh).
		if high := readNumber(folder + "/memory.high"); high >= 0 && (limit < 0 || high < limit) {
			limit = high
		}
		if limit < 0 { // version 1
			limit, used = readNumber(folder+"/memory.limit_in_bytes"), readNumber(folder+"/memory.usage_in_bytes")
		}
		if limit < 0 {
			continue
		}
		// The page cache counts as used but gives way, what was read more than once too.
		stat, _ := os.ReadFile(folder + "/memory.stat")
		groups = append(groups, memoryGroup{limit, max(used-reclaimable(stat), 0)})
	}
	return groups
}

// reclaimable reads the page cache from memory.stat: version 1 has totals with the cgroups below.
func reclaimable(stat []byte) int64 {
	of := func(list string) int64 { return max(field(stat, list), field(stat, "total_"+list)) }
	return of("inactive_file") + of("active_file")
}

// field returns the number after a word at the start of a line; 0 where there is none.
func field(text []byte, word string) int64 {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) >= 2 && words[0] == word {
			if n, err := strconv.ParseInt(words[1], 10, 64); err == nil {
				return n
			}
		}
	}
	return 0
}

// cgroupFolders returns the folders of the memory cgroup of /proc/self/cgroup
// and of all above it.
func cgroupFolders(root string, text []byte) []string {
	var folders []string
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		top := root
		switch {
		case parts[1] == "memory":
			top = filepath.Join(root, "memory")
		case parts[0] != "0":
			continue
		}
		for path := parts[2]; ; path = filepath.Dir(path) {
			folders = append(folders, filepath.Join(top, path))
			if path == "/" || path == "." {
				break
			}
		}
	}
	return folders
}

// readNumber reads a file with one number; -1 where it has none ("max").
func readNumber(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
