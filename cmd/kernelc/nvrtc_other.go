//go:build !linux

package main

import "errors"

// compiler is for Linux only; install says so before it is needed.
type compiler struct{}

func openCompiler(string) (*compiler, error) {
	return nil, errors.New("the compiler library is for Linux")
}

func (c *compiler) build(string, []byte, string) (code []byte, log string, err error) {
	return nil, "", errors.New("the compiler library is for Linux")
}
