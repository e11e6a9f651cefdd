package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// toolchain is an installed compiler.
type toolchain struct {
	library      string // libnvrtc.so.12
	disassembler string // nvdisasm
}

// install downloads the wheels that a list pins, checked by their hashes, and
// unpacks what is needed of them below cache. What is there already is used.
func install(list, cache string) (*toolchain, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("the compiler library is for linux/amd64, this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	data, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Join(cache, sum(data)[:16]))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(folder); err != nil {
		if err := download(list, folder); err != nil {
			return nil, err
		}
	}
	t := &toolchain{}
	for pattern, path := range map[string]*string{"libnvrtc.so.12": &t.library, "nvdisasm": &t.disassembler} {
		if *path, err = find(folder, pattern); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// download fills folder, or leaves none.
func download(list, folder string) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	wheels, err := os.MkdirTemp(filepath.Dir(folder), "wheels")
	if err != nil {
		return err
	}
	defer os.RemoveAll(wheels)
	pip := exec.Command("python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
		"--only-binary", ":all:", "--require-hashes", "-d", wheels, "-r", list)
	if text, err := pip.CombinedOutput(); err != nil {
		return fmt.Errorf("pip download: %w: %s", err, lastLine(string(text)))
	}
	paths, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil {
		return err
	}
	unpacked := filepath.Join(wheels, "unpacked")
	for _, path := range paths {
		if err := unpack(path, unpacked); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return os.Rename(unpacked, folder)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// wanted are the files that are unpacked, all into one folder: the library
// looks for the second beside itself.
var wanted = []string{"libnvrtc.so.12", "libnvrtc-builtins.so.12.9", "nvdisasm"}

// unpack copies the wanted files of a wheel, which is a zip file.
func unpack(wheel, folder string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer z.Close()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, f := range z.File {
		name := filepath.Base(f.Name)
		if !slices.Contains(wanted, name) {
			continue
		}
		if err := unpackFile(f, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

func unpackFile(f *zip.File, path string) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// find returns the path of a file that must be in folder.
func find(folder, name string) (string, error) {
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the wheels held no %s; remove %s to install them again", name, folder)
	}
	return path, nil
}
