package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// machinePath matches an absolute path that exists on one machine only.
var machinePath = regexp.MustCompile(`(^|[\s"'=:(` + "`" + `])/(home|root|Users|work|farm)/[\w.]`)

// files lists all files of the repository by their path below root, and checks
// sizes, the licence, that data stands where it belongs, and that no text names a path of one machine.
func (r *report) files(root string) ([]string, error) {
	var files []string
	total := int64(0)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case skip(name) && entry.IsDir():
			return fs.SkipDir
		case skip(name) || entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files = append(files, name)
		total += info.Size()
		if info.Size() > maxFileBytes && !mayBeData(name) {
			r.fail(name, "%d bytes, more than %d", info.Size(), maxFileBytes)
		}
		if strings.HasPrefix(name, "testdata/") {
			return nil // the words of others: prompts, expected texts
		}
		return r.text(path, name)
	})
	if err != nil {
		return nil, err
	}
	if total > maxTotalBytes {
		r.fail("repository", "%d bytes in all, more than %d", total, maxTotalBytes)
	}
	if license, err := os.ReadFile(filepath.Join(root, "LICENSE")); err != nil || !bytes.Contains(license, []byte("Apache License")) {
		r.fail("LICENSE", "absent, or not the Apache License")
	}
	return files, nil
}

func (r *report) text(path, name string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) {
		if !mayBeData(name) {
			r.fail(name, "is not text")
		}
		return nil
	}
	for i, line := range strings.Split(string(data), "\n") {
		if machinePath.MatchString(line) {
			r.fail(name, "line %d names a path of one machine", i+1)
		}
	}
	return nil
}
