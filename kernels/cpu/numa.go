package cpu

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// # Where do memory and threads lie?
//
// On a machine of several NUMA nodes each thread of the pool stays on the processors of
// one, and the groups of a packed weight that it reads are in the memory of that node. The
// first thread is the caller's, which goes where the system puts it.
// What all threads read (the KV cache, activations) lies on all nodes in turns. On a
// machine of one node nothing is asked for.

// node is a NUMA node: memory, and the processors near it.
type node struct {
	id   int
	cpus []int // those that this process may use
}

// Most numbers of processors and of nodes that Linux can be built for.
const (
	maxCPUs  = 8192
	maxNodes = 1024
)

// readNodes returns the nodes that a folder describes as Linux does in /sys, in order:
// those with processors that are allowed. What cannot be read is a machine of one node.
func readNodes(folder string, allowed func(cpu int) bool) []node {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var nodes []node
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "node")
		id, err := strconv.ParseUint(digits, 10, 31)
		if !ok || err != nil || id >= maxNodes {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name(), "cpulist"))
		if err != nil {
			return nil
		}
		cpus, err := parseCPUs(strings.TrimSpace(string(text)))
		if err != nil {
			return nil
		}
		cpus = slices.DeleteFunc(cpus, func(cpu int) bool { return !allowed(cpu) })
		if len(cpus) > 0 {
			nodes = append(nodes, node{int(id), cpus})
		}
	}
	slices.SortFunc(nodes, func(a, b node) int { return cmp.Compare(a.id, b.id) })
	return nodes
}

// parseCPUs reads a list like "0-3,8": ascending, and empty where a node has memory alone.
func parseCPUs(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var cpus []int
	next := uint64(0)
	for part := range strings.SplitSeq(list, ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("cpu: list %q: %w", list, err)
		}
		to, err := strconv.ParseUint(last, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("cpu: list %q: %w", list, err)
		}
		if from < next || to < from || to >= maxCPUs {
			return nil, fmt.Errorf("cpu: list %q: processors %d to %d", list, from, to)
		}
		for next = from; next <= to; next++ {
			cpus = append(cpus, int(next))
		}
	}
	return cpus, nil
}

// homesOf returns the node of each thread, nil where it is the same for all. A node has
// as many as its processors are of all; neighbours in a weight are so on one node.
func homesOf(nodes []node, threads int) []*node {
	var near []*node // to each processor
	for i := range nodes {
		near = append(near, slices.Repeat([]*node{&nodes[i]}, len(nodes[i].cpus))...)
	}
	if len(near) == 0 {
		return nil
	}
	homes := make([]*node, threads)
	for i := range homes {
		homes[i] = near[i*len(near)/threads]
	}
	if homes[0] == homes[threads-1] {
		return nil
	}
	return homes
}

// nodes returns those that the threads are on; none: one node.
func (p *pool) nodes() []*node { return slices.Compact(slices.Clone(p.homes)) }

// settle asks for the groups of a packed weight, each so many bytes, to lie where the
// threads are that read them.
func (p *pool) settle(groups []byte, each int64) {
	n := int64(len(groups)) / each
	for i := 0; i < len(p.homes); {
		home := p.homes[i]
		from, to := p.share(n, i)
		for i++; i < len(p.homes) && p.homes[i] == home; i++ {
			_, to = p.share(n, i)
		}
		home.claim(groups[from*each : to*each])
	}
}
