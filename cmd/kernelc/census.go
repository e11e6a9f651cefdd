package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// counted are the opcodes whose numbers the MANIFEST keeps: matrix products,
// memory, asynchronous copies, barriers, and the arithmetic that loops are
// made of.
var counted = []string{
	"HMMA", "IMMA", "QMMA", "OMMA", "HGMMA", "QGMMA", "IGMMA", "UTCOMMA",
	"LDG", "STG", "LDS", "STS", "LDL", "STL", "LDSM", "STSM", "LDGSTS", "UTMALDG", "UTMASTG", "UBLKCP", "LDGMC",
	"ATOM", "ATOMG", "RED", "BAR", "SYNCS", "SHFL", "ACQBULK", "PREEXIT", "USETMAXREG",
	"FFMA", "FADD", "FMUL", "DFMA", "DADD", "DMUL", "MUFU", "I2F", "I2FP", "F2F", "LOP3", "PRMT", "IMAD", "BRA",
}

// total is the census' name for all instructions together.
const total = "all"

var (
	functionLine    = regexp.MustCompile(`^\.text\.(\w+):`)
	instructionLine = regexp.MustCompile(`^\s*(?:\{ )?/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)`)
)

// disassemble counts the instructions of each kernel of an image.
func disassemble(disassembler string, code []byte) (map[string]map[string]int, error) {
	file, err := os.CreateTemp("", "kernelc-*.cubin")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(code); err != nil {
		file.Close()
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	text, err := exec.Command(disassembler, "-c", file.Name()).Output()
	if err != nil {
		return nil, fmt.Errorf("nvdisasm: %w", err)
	}
	return count(string(text)), nil
}

// count reads nvdisasm's text.
func count(text string) map[string]map[string]int {
	census := map[string]map[string]int{}
	var kernel map[string]int
	for line := range strings.Lines(text) {
		if m := functionLine.FindStringSubmatch(line); m != nil {
			kernel = map[string]int{}
			census[m[1]] = kernel
		}
		m := instructionLine.FindStringSubmatch(line)
		if m == nil || kernel == nil || m[1] == "NOP" {
			continue
		}
		kernel[total]++
		if slices.Contains(counted, m[1]) {
			kernel[m[1]]++
		}
	}
	return census
}
