package server

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// limitSilence sets after how many seconds without an acknowledgement of what
// was sent a connection is over. Probes of an idle connection do not cover
// that. It is a hint: what does not take it serves all the same.
func limitSilence(c syscall.Conn, seconds int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, seconds*1000)
	})
}
