package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// otherVariables begin like flags and are none: of the devices, of the emulator
// and the tests, and those that Kubernetes sets for a Service called trona.
var otherVariables = [...]string{
	"TRONA_CPU", "TRONA_CUDA", "TRONA_EMU", "TRONA_TESTDATA", "TRONA_REAL_GPU", "TRONA_SERVICE_", "TRONA_PORT_",
}

// unknownVariables returns the names in an environment that look like flags and
// that no command has, sorted.
func unknownVariables(app *kong.Application, environment []string) []string {
	var known, unknown []string
	// Only the function below could fail.
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known = append(known, flag.Envs...)
		}
		return next(nil)
	})
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		other := slices.ContainsFunc(otherVariables[:], func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if strings.HasPrefix(name, "TRONA_") && !other && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}
