// Package cuda is the device for NVIDIA GPUs (Ampere and newer). Its kernels
// are compiled ahead of time and embedded; at run time it needs nothing but
// the driver, R525 or newer.
//
// # Who talks to the driver?
//
// One locked OS thread for each device. An op checks its arguments, chooses a
// kernel and a launch, and queues a command; the thread hands it to the driver.
// So the host runs ahead, ops allocate nothing, and the first error sticks.
//
// # Which arithmetic does a row get?
//
// Products are of F16 inputs on the matrix cores, with float sums (of F32
// weights: in float). Decode rows are multiplied with the weights' codes as they are stored,
// so that reading them once is all that it costs; for prefill rows weights are unpacked first.
// Either way a row's sums have an order that only its shape decides.
//
// # What is allocated when?
//
// Open takes the workspace and staging memory, then Alloc and Pack give out
// the rest; ops never allocate.
package cuda

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// stepRows are so many that unpacking weights, which is done once a step, costs little,
// and that every processor has several tiles of a product.
const stepRows = 2048

// Options configures Open. The zero value is right for most.
type Options struct {
	Device int // which of the machine's devices
	// Workspace is the size of the memory that ops compute in; 0: 256 MiB.
	// Less makes them work in smaller pieces, with the same results.
	Workspace int64
	// Staging is the size of each buffer for copies from and to the host; 0: 16 MiB.
	Staging int64
	// Usual leaves the kernels that compute capability 9.0 alone has aside
	// (README.md, "Hopper"), as the environment variable TRONA_CUDA=usual does.
	Usual bool
}

const (
	defaultWorkspace = 256 << 20
	defaultStaging   = 16 << 20
	leastWorkspace   = 2 << 20
	leastStaging     = 64 << 10
)

// Device is a kernels.Device.
type Device struct {
	Sizes
	thread  *thread
	info    driver.Info
	name    string
	version int
	free    int64 // bytes that Alloc and Pack may use
	early   bool  // kernels begin before those before them are complete
	kernels *kernelSet
	hopper  *hopper // nil: not used
	modules []driver.Module

	mu     sync.Mutex // guards memory, which Pack changes from several goroutines
	memory map[uintptr]int64

	staging   staging
	workspace driver.Memory
	work      int64 // bytes of workspace
	converted converted
	sums      atomic.Bool // some weight reads sums of inputs
	factors   []factor    // of the present op
	results   results
	plan      planBuffer
	sampling  sampling

	recording  bool // ops are being recorded
	recorded   recorded
	recordings map[kernels.Recording]recorded
}

// Open opens a device. The error wraps kernels.ErrNoDevice where the machine
// has no driver or no such device.
func Open(o Options) (kernels.Device, error) {
	d, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	return d, nil
}

func open(o Options) (*Device, error) {
	drv, err := driver.Open()
	if errors.Is(err, driver.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", kernels.ErrNoDevice, err)
	}
	if err != nil {
		return nil, err
	}
	d := &Device{kernels: newKernelSet(), memory: map[uintptr]int64{}, recordings: map[kernels.Recording]recorded{}}
	if d.version, err = drv.Version(); err != nil {
		return nil, err
	}
	if d.version < driver.MinVersion {
		return nil, fmt.Errorf("the driver is for CUDA %s: install R525 (CUDA 12.0) or newer", cudaVersion(d.version))
	}
	count, err := drv.Devices()
	if err != nil {
		return nil, err
	}
	if o.Device < 0 || o.Device >= count {
		return nil, fmt.Errorf("%w: device %d of %d", kernels.ErrNoDevice, o.Device, count)
	}
	if d.info, err = drv.Info(o.Device); err != nil {
		return nil, err
	}
	archs, err := architectures(d.info.Major, d.info.Minor)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.info.Name, err)
	}
	d.early = beginsEarly(d.info.Major, d.version, archs)
	usual, err := usualOnly(os.Getenv("TRONA_CUDA"))
	if err != nil {
		return nil, err
	}
	if d.info.Major == 9 && d.info.Minor == 0 && !o.Usual && !usual {
		d.hopper = newHopper()
	}
	d.name = fmt.Sprintf("cuda:%d", o.Device)
	if d.thread, err = startThread(drv, o.Device); err != nil {
		return nil, fmt.Errorf("%s: %w", d.info.Name, err)
	}
	if err := d.thread.call(func(t *thread) error { return d.prepare(t, o, archs) }); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", d.info.Name, err), d.Close())
	}
	return d, nil
}

// cudaVersion writes 12040 as 12.4.
func cudaVersion(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

// prepare loads the kernels and takes all memory that ops need.
func (d *Device) prepare(t *thread, o Options, archs []string) (err error) {
	list := d.kernels.all()
	if d.hopper != nil {
		list = append(list, d.hopper.all()...)
	}
	if d.modules, err = t.loadKernels(list, archs); err != nil {
		return err
	}
	d.work = defaultWorkspace
	if o.Workspace > 0 {
		d.work = max(leastWorkspace, o.Workspace&^255)
	}
	size := int64(defaultStaging)
	if o.Staging > 0 {
		size = max(leastStaging, o.Staging&^4095)
	}
	if d.workspace, err = t.Alloc(d.work); err != nil {
		return fmt.Errorf("a workspace of %d bytes: %w", d.work, err)
	}
	if err := d.staging.open(t, size); err != nil {
		return fmt.Errorf("memory for copies: %w", err)
	}
	if err := d.results.open(t); err != nil {
		return err
	}
	if err := d.plan.open(t); err != nil {
		return err
	}
	d.free, err = t.MemoryInfo()
	return err
}

// Info describes the device.
func (d *Device) Info() kernels.Info {
	which := "usual"
	if d.hopper != nil {
		which = "hopper"
	}
	info := d.Sizes.Info()
	info.Name, info.Memory = d.name, d.free
	info.Detail = fmt.Sprintf("%s, compute capability %d.%d, %d processors, driver for CUDA %s",
		d.info.Name, d.info.Major, d.info.Minor, d.info.Processors, cudaVersion(d.version))
	info.Features = []string{fmt.Sprintf("sm_%d%d", d.info.Major, d.info.Minor), "driver " + cudaVersion(d.version), driver.Binding, which}
	return info
}

// Sync waits for all ops and returns the first error.
func (d *Device) Sync() error { return d.finish(d.results.collect) }

// finish lets the thread bring results and takes them.
func (d *Device) finish(bring func(*thread) error) error {
	if err := d.thread.call(bring); err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	d.sampling.finish(&d.results)
	return nil
}

// Close frees everything.
func (d *Device) Close() error {
	err := d.thread.call(func(t *thread) error {
		first := errors.Join(t.failed, t.Wait(t.main))
		for addr := range d.memory {
			t.Free(driver.Memory(addr))
		}
		for r := range d.recordings {
			t.DestroyGraph(driver.Graph(r))
		}
		d.staging.close(t)
		d.results.close(t)
		d.plan.close(t)
		if d.workspace != 0 {
			t.Free(d.workspace)
		}
		for _, m := range d.modules {
			t.UnloadModule(m)
		}
		// After an error the driver refuses what is above too; say the first.
		return errors.Join(first, t.end())
	})
	d.thread.stop()
	if err != nil {
		return fmt.Errorf("cuda: close: %w", err)
	}
	return nil
}

// launch queues a kernel. params has at least the kernel's bytes.
func (d *Device) launch(k *kernel, x, y int64, threads, shared int, params [paramWords]uint64) {
	d.launchMapped(k, x, y, threads, shared, params, [2]driver.Boxes{})
}

// launchMapped is launch, with the maps of boxes where params begins.
func (d *Device) launchMapped(k *kernel, x, y int64, threads, shared int, params [paramWords]uint64, maps [2]driver.Boxes) {
	if k.name == "" {
		panic("cuda: a kernel that does not exist")
	}
	if x == 0 || y == 0 {
		return
	}
	d.converted = converted{}
	d.thread.commands <- command{kind: launchKernel, kernel: k, params: params, maps: maps, launch: driver.Launch{
		Function: k.function, X: int(x), Y: int(y), Threads: threads, Shared: shared, Bytes: k.bytes, Early: d.early,
	}}
}

// fail makes an error of an op stick: Sync returns it.
func (d *Device) fail(err error) {
	d.thread.call(func(t *thread) error { t.fail(err); return nil })
}

// errWorkspace says that an op found no room for its least piece.
func errWorkspace(op kernels.Op, bytes int64) error {
	return fmt.Errorf("%s: a workspace of %d bytes is too small for it", op, bytes)
}

// words copies the arguments of a kernel to where commands carry them.
func words[Args any](a Args) (w [paramWords]uint64) {
	*(*Args)(unsafe.Pointer(&w)) = a
	return w
}
