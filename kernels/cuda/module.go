package cuda

import (
	"fmt"

	"trona/kernels/cuda/driver"
	"trona/kernels/cuda/fatbin"
)

// architectures returns whose code a device of a compute capability runs, the
// best first: machine code runs on the same major version and the same or a
// later minor one (that of sm_90a on 9.0 alone), PTX on all later devices.
func architectures(major, minor int) ([]string, error) {
	switch {
	case major < 8:
		return nil, fmt.Errorf("compute capability %d.%d: trona needs 8.0 (Ampere) or newer", major, minor)
	case major == 8 && minor < 9:
		return []string{"sm_80"}, nil
	case major == 8:
		return []string{"sm_89", "sm_80"}, nil
	case major == 9 && minor == 0:
		return []string{"sm_90a"}, nil
	case major == 10:
		return []string{"sm_100"}, nil
	case major == 12:
		return []string{"sm_120"}, nil
	}
	return []string{portable}, nil
}

// portable is the PTX that every device compiles for itself.
const portable = "compute_80"

// beginsEarly reports whether kernels may begin before those before them are
// complete, which takes code that waits for them: that of 9.0 and newer (gpu.h), and
// a driver whose graphs keep it, from CUDA 12.3 on.
func beginsEarly(major, driverVersion int, archs []string) bool {
	return major >= 9 && driverVersion >= 12030 && archs[0] != portable
}

// loadKernels loads the code of every kernel and finds its function.
func (t *thread) loadKernels(list []*kernel, archs []string) ([]driver.Module, error) {
	byFile := map[string]driver.Module{}
	var modules []driver.Module
	for _, k := range list {
		m, ok := byFile[k.file]
		if !ok {
			image, err := fatbin.Image(k.file, archs)
			if err != nil {
				return modules, err
			}
			if m, err = t.LoadModule(append(image, 0)); err != nil {
				return modules, fmt.Errorf("loading the code of %s for %v: %w", k.file, archs, err)
			}
			byFile[k.file] = m
			modules = append(modules, m)
		}
		var err error
		if k.function, err = t.Function(m, k.name); err != nil {
			return modules, err
		}
		if k.shared > defaultShared {
			if err = t.AllowShared(k.function, k.shared); err != nil {
				return modules, k.failed(err)
			}
		}
	}
	return modules, nil
}
