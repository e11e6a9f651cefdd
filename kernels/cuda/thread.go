package cuda

import (
	"errors"
	"runtime"
	"unsafe"

	"trona/kernels/cuda/driver"
)

// queueLength is the number of commands that wait at most: some layers of a
// model, so that the host runs ahead of the driver.
const queueLength = 512

// paramWords bounds the arguments of a kernel, in words of 8 bytes.
const paramWords = 48

// commandKind says what the thread is to do.
type commandKind uint8

const (
	launchKernel commandKind = iota
	launchGraph
	copyIn
	copyOut
	markEvent
	waitEvent
	callFunction
)

// command is one entry of the thread's queue. It holds everything by value, so
// that queueing allocates nothing.
type command struct {
	kind   commandKind
	kernel *kernel
	launch driver.Launch
	params [paramWords]uint64
	maps   [2]driver.Boxes // those of which the maps are to stand first in params

	graph  driver.Graph
	memory driver.Memory // of copies: here and there
	host   uintptr
	bytes  int64
	event  driver.Event

	call  func(*thread) error
	reply chan<- error // of waitEvent and callFunction
}

// thread is the one OS thread that talks to a device. It does commands in
// order; the first error of a command that nobody waits for sticks, and no
// work is queued after it.
type thread struct {
	*driver.Context
	main   driver.Stream // kernels, and the copies that they depend on
	load   driver.Stream // weights
	maps   *driver.MapMaker
	failed error

	commands chan command
	current  command // here, so that its address can be given to the driver
}

// startThread starts the thread of a device and returns when its context is there.
func startThread(d *driver.Driver, device int) (*thread, error) {
	t := &thread{commands: make(chan command, queueLength)}
	ready := make(chan error)
	go func() {
		// Never unlocked: the OS thread ends with the goroutine.
		runtime.LockOSThread()
		err := t.begin(d, device)
		ready <- err
		if err == nil {
			t.run()
		}
	}()
	return t, <-ready
}

func (t *thread) begin(d *driver.Driver, device int) (err error) {
	if t.Context, err = d.NewContext(device); err != nil {
		return err
	}
	t.maps = t.NewMapMaker()
	if t.main, err = t.NewStream(); err == nil {
		t.load, err = t.NewStream()
	}
	if err != nil {
		return errors.Join(err, t.Release())
	}
	return nil
}

func (t *thread) run() {
	for t.current = range t.commands {
		err := t.do(&t.current)
		if t.current.kind != callFunction {
			t.fail(err)
		}
		if t.current.reply != nil {
			t.current.reply <- err
		}
	}
}

// fail makes an error stick, if it is the first.
func (t *thread) fail(err error) {
	if t.failed == nil {
		t.failed = err
	}
}

func (t *thread) do(c *command) error {
	switch c.kind {
	case callFunction:
		return c.call(t)
	case waitEvent:
		return t.WaitFor(c.event)
	}
	if t.failed != nil {
		return nil // said already
	}
	switch c.kind {
	case launchKernel:
		return c.kernel.failed(t.launchKernel(c))
	case launchGraph:
		return t.LaunchGraph(c.graph, t.main)
	case copyIn:
		return t.CopyIn(c.memory, c.host, c.bytes, t.main)
	case copyOut:
		return t.CopyOut(c.host, c.memory, c.bytes, t.main)
	case markEvent:
		return t.Mark(c.event, t.main)
	}
	return nil
}

// launchKernel makes the maps that a kernel wants, which needs a context, and
// launches it.
func (t *thread) launchKernel(c *command) error {
	for i, b := range c.maps {
		if b.Rows == 0 {
			break
		}
		m, err := t.maps.Map(b)
		if err != nil {
			return err
		}
		copy(c.params[i*len(m):], m[:])
	}
	return t.Launch(&c.launch, unsafe.Pointer(&c.params), t.main)
}

// end gives back what begin took.
func (t *thread) end() error {
	t.DestroyStream(t.load)
	t.DestroyStream(t.main)
	return t.Release()
}

// call runs f on the thread and returns its error.
func (t *thread) call(f func(*thread) error) error {
	reply := make(chan error)
	t.commands <- command{kind: callFunction, call: f, reply: reply}
	return <-reply
}

// stop ends the thread after all that it was given.
func (t *thread) stop() { close(t.commands) }
