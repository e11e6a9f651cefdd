//go:build !linux

package main

func adviseHuge([]uint64) {}
