package main

import (
	"os"
	"os/signal"
	"syscall"
)

// endSignals are those that ask a command to end what it does: also the one of
// a terminal that was closed, but not where that is to go on (nohup).
func endSignals() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}
