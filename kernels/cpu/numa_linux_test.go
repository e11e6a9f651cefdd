package cpu

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"trona/kernels"
)

// allowedCPUs returns the processors that the calling thread may use.
func allowedCPUs(t *testing.T) unix.CPUSetDynamic {
	set := unix.NewCPUSet(maxCPUs)
	assert.NoError(t, unix.SchedGetaffinityDynamic(0, set))
	return set
}

// absentNode is a node that machines of tests lack. Kernels may be built for 16.
const absentNode = 15

// twoNodes describes two of this machine's processors as nodes: the first with memory
// that is there, the second with the number of a node that is not.
func twoNodes(t *testing.T) []node {
	allowed, cpus := allowedCPUs(t), []int{}
	for cpu := range maxCPUs {
		if allowed.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	if len(cpus) < 2 {
		t.Skip("a second processor is absent")
	}
	return []node{{0, cpus[:1]}, {absentNode, cpus[1:2]}}
}

// whereJob has a piece for each thread, which notes where it runs.
type whereJob struct {
	t       *testing.T
	workers []*worker
	here    atomic.Int64
	thread  []int
	allowed []unix.CPUSetDynamic
}

func (j *whereJob) pieces(w *worker, _, _ int64) {
	for i, o := range j.workers {
		if o == w {
			j.thread[i], j.allowed[i] = unix.Gettid(), allowedCPUs(j.t)
		}
	}
	for j.here.Add(1); j.here.Load() < int64(len(j.workers)); { // so that nobody takes two
		runtime.Gosched()
	}
}

// TestNodesBind: each worker stays on one thread, and that on the processors of its node;
// with the pool ends what it bound.
func TestNodesBind(t *testing.T) {
	defer goleak.VerifyNone(t)
	before, nodes := allowedCPUs(t), twoNodes(t)
	p := newPool(6, nodes)
	var threads []int
	for range 3 {
		j := &whereJob{t: t, workers: p.workers, thread: make([]int, 6), allowed: make([]unix.CPUSetDynamic, 6)}
		require.NoError(t, p.run(j, 6, false))
		for i := 1; i < 6; i++ {
			want := unix.NewCPUSet(maxCPUs)
			want.Set(nodes[i/3].cpus[0])
			require.Equal(t, want, j.allowed[i], "thread %d", i)
		}
		if threads == nil {
			threads = j.thread[1:]
		}
		require.Equal(t, threads, j.thread[1:])
		require.Equal(t, before, j.allowed[0], "the caller")
	}
	p.stop()
	seen := make(chan unix.CPUSetDynamic)
	for range 20 {
		go func() { seen <- allowedCPUs(t) }()
	}
	for range 20 {
		require.Equal(t, before, <-seen)
	}
}

// policyOf returns how the page at an address is placed, and on which of the first nodes.
func policyOf(t *testing.T, addr uintptr) (policy int32, nodes uint) {
	var mask [maxNodes / bits.UintSize]uint
	_, _, errno := unix.Syscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&policy)), uintptr(unsafe.Pointer(&mask)), maxNodes+1, addr, unix.MPOL_F_ADDR, 0)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		t.Skip("this kernel tells nothing of nodes: ", errno)
	}
	require.Zero(t, errno)
	return policy, mask[0]
}

// TestNodesMemory: pages of a packed weight go to the node of the threads that read them,
// whole ones, and all other memory to all nodes in turns.
func TestNodesMemory(t *testing.T) {
	v, err := choose("generic")
	require.NoError(t, err)
	one := &Device{kern: v, pool: newPool(3, twoNodes(t)[:1])}
	defer func() { require.NoError(t, one.Close()) }()
	addr, err := one.Alloc(1)
	require.NoError(t, err)
	policy, _ := policyOf(t, addr)
	require.EqualValues(t, unix.MPOL_DEFAULT, policy, "one node")
	require.NotContains(t, one.Info().Detail, "NUMA")

	d := &Device{kern: v, pool: newPool(3, twoNodes(t))}
	defer func() { require.NoError(t, d.Close()) }()
	require.Contains(t, d.Info().Detail, "3 threads on 2 NUMA nodes")
	addr, err = d.Alloc(1 << 22)
	require.NoError(t, err)
	policy, there := policyOf(t, addr)
	require.EqualValues(t, unix.MPOL_INTERLEAVE, policy)
	require.EqualValues(t, 1, there, "those of them that are there")

	page := uintptr(os.Getpagesize())
	for _, groups := range []int64{1, 2, 3, 100, 3001} {
		const cols = 24 // groups are no whole pages
		m := &kernels.Matrix{Type: kernels.F32, Rows: lanes * groups, Cols: cols, Data: make([]byte, 4*lanes*groups*cols)}
		w, err := d.Pack(m)
		require.NoError(t, err)
		_, all := d.pool.share(groups, 1)
		border := (w.Addr + uintptr(all*4*lanes*cols) + page - 1) &^ (page - 1)
		for at := w.Addr; at < w.Addr+uintptr(w.Bytes); at += page {
			policy, there := policyOf(t, at)
			if at < border {
				require.EqualValues(t, unix.MPOL_PREFERRED, policy, "%d groups, byte %d", groups, at-w.Addr)
				require.EqualValues(t, 1, there)
			} else {
				require.EqualValues(t, unix.MPOL_INTERLEAVE, policy, "%d groups, byte %d", groups, at-w.Addr)
			}
		}
	}
}

// TestNodesTouch: where the kernel does not place pages, a thread of the node touches them.
func TestNodesTouch(t *testing.T) {
	defer goleak.VerifyNone(t)
	page := os.Getpagesize()
	b, err := mapMemory(8 * page)
	require.NoError(t, err)
	n := twoNodes(t)[1]
	n.claim(b[page+1 : 5*page+1])
	status := make([]byte, 8)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&status[0])))
	require.Zero(t, errno)
	require.Equal(t, "[0 0 1 1 1 1 0 0]", fmt.Sprint(status))
	require.NoError(t, unmapMemory(b))
	want := unix.NewCPUSet(maxCPUs)
	want.Set(n.cpus[0])
	n.do(func() { assert.Equal(t, want, allowedCPUs(t)) })
}
