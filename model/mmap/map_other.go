//go:build !unix

package mmap

import (
	"errors"
	"os"
)

// mapFile tells File to read instead.
func mapFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func releaseFile([]byte, int64, int64) error { return nil }

func unmapFile([]byte) error { return nil }
