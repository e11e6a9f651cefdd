package safetensors

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// openOthers opens the files of a folder that has neither model.safetensors nor an
// index: the parts of a set, all of which must be there, or else the only file.
func (f *Files) openOthers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var names []string
	pickled := ""
	for _, e := range entries {
		switch ext := filepath.Ext(e.Name()); {
		case ext == ".safetensors" && !strings.HasPrefix(e.Name(), "adapter_"):
			names = append(names, e.Name())
		case ext == ".bin" || ext == ".pt" || ext == ".pth":
			pickled = e.Name()
		}
	}
	if parts, err := partsOf(names); parts != nil || err != nil {
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		names = parts
	} else if len(names) != 1 {
		what := ""
		switch {
		case len(names) > 0:
			what = fmt.Sprintf(", and not one other file but %d", len(names))
		case pickled != "":
			what = fmt.Sprintf(", but %s, which is not supported: convert it to safetensors", pickled)
		}
		return fmt.Errorf("%s: %w: neither %s nor %s%s", dir, os.ErrNotExist, singleName, indexName, what)
	}
	for _, name := range names {
		if err := f.add(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// partsOf returns the parts of a set among sorted names, in order; nil: there is none.
func partsOf(names []string) ([]string, error) {
	part := regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.safetensors$`)
	first := slices.IndexFunc(names, part.MatchString)
	if first < 0 {
		return nil, nil
	}
	m := part.FindStringSubmatch(names[first])
	total, err := strconv.Atoi(m[3])
	if err != nil || total < 1 || total > maxShards {
		return nil, fmt.Errorf("%s: a set of %s files is not supported", names[first], m[3])
	}
	parts := make([]string, total)
	for i := range parts {
		parts[i] = fmt.Sprintf("%s-%05d-of-%s.safetensors", m[1], i+1, m[3])
		if !slices.Contains(names, parts[i]) {
			return nil, fmt.Errorf("%s is missing: %w", parts[i], os.ErrNotExist)
		}
	}
	for _, name := range names {
		if part.MatchString(name) && !slices.Contains(parts, name) {
			return nil, fmt.Errorf("%s and %s are of two sets", parts[0], name)
		}
	}
	return parts, nil
}
