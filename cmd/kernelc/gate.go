package main

import (
	"fmt"
	"strings"
)

// gate returns what is wrong with kernels as the MANIFEST describes them.
func gate(s *sources, m *manifest) []string {
	var problems []string
	fail := func(k *manifestKernel, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s of %s.cu for %s: ", k.name, k.stem, k.arch)+fmt.Sprintf(format, args...))
	}
	expects := map[string][]expectation{}
	for _, f := range s.files {
		expects[f.stem] = f.expects
	}
	for i := range m.kernels {
		k := &m.kernels[i]
		if k.threads == 0 {
			fail(k, "no launch bounds")
		}
		if !strings.HasPrefix(k.arch, "sm_") {
			continue
		}
		if k.spills > 0 || k.stack > 0 {
			fail(k, "%d bytes of stack, %d bytes spilled", k.stack, k.spills)
		}
		if n := k.opcodes["LDL"] + k.opcodes["STL"]; n > 0 {
			fail(k, "%d instructions on local memory", n)
		}
		if k.shared > 0 {
			fail(k, "%d bytes of static shared memory; it must be dynamic", k.shared)
		}
		for _, e := range expects[k.stem] {
			for _, op := range e.opcodes {
				if strings.HasPrefix(k.name, e.prefix) && k.opcodes[op] == 0 {
					fail(k, "no %s", op)
				}
			}
		}
	}
	return problems
}
