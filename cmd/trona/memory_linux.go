package main

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// availableMemory returns the bytes that this process may still take: what the
// system has left, or less where a cgroup limits it; 0 if unknown.
func availableMemory() int64 {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	free := memAvailable(info)
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return free
	}
	for _, folder := range cgroupFolders(cgroups) {
		limit, used := readNumber(folder+"/memory.max"), readNumber(folder+"/memory.current")
		if limit < 0 { // version 1
			limit, used = readNumber(folder+"/memory.limit_in_bytes"), readNumber(folder+"/memory.usage_in_bytes")
		}
		if limit < 0 {
			continue
		}
		// The page cache counts as used but gives way.
		stat, _ := os.ReadFile(folder + "/memory.stat")
		free = min(free, max(limit-max(used, 0)+reclaimable(stat), 0))
	}
	return free
}

// memAvailable reads MemAvailable of /proc/meminfo.
func memAvailable(info []byte) int64 {
	return field(info, "MemAvailable:") << 10
}

// reclaimable reads the inactive part of the page cache from memory.stat.
func reclaimable(stat []byte) int64 { return field(stat, "inactive_file") }

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
// and of all above it, whose limits hold too.
func cgroupFolders(text []byte) []string {
	var folders []string
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root := "/sys/fs/cgroup"
		switch {
		case parts[1] == "memory":
			root += "/memory"
		case parts[0] != "0":
			continue
		}
		for path := parts[2]; ; {
			folders = append(folders, root+strings.TrimSuffix(path, "/"))
			i := strings.LastIndexByte(path, '/')
			if i < 0 || path == "/" {
				break
			}
			path = path[:max(i, 1)]
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
