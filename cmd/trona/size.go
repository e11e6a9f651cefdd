package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes on the command line: 16GiB, 512M, 1.5G, 1000000.
// GB and the like are powers of 1000; GiB and bare G are powers of 1024.
type size int64

// UnmarshalText reads a size.
func (s *size) UnmarshalText(text []byte) error {
	number := strings.TrimRight(string(text), "KMGTkmgtiIbB")
	unit := strings.ToLower(strings.TrimPrefix(string(text), number))
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || value < 0 || math.IsNaN(value) {
		return fmt.Errorf("%q is not a size such as 16GiB or 512M", text)
	}
	factor := 1.0
	if unit != "" && unit != "b" {
		power := strings.IndexByte("kmgt", unit[0]) + 1
		base := 1024.0
		switch unit[1:] {
		case "", "ib":
		case "b":
			base = 1000
		default:
			power = 0
		}
		if power == 0 {
			return fmt.Errorf("%q is not a size such as 16GiB or 512M", text)
		}
		factor = math.Pow(base, float64(power))
	}
	if value *= factor; value >= math.MaxInt64 {
		return fmt.Errorf("%q is too large", text)
	}
	*s = size(value)
	return nil
}

// human prints a number of bytes in the unit that fits.
func human(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n)/(1<<10), "KMGT"
	for value >= 1024 && len(units) > 1 {
		value, units = value/1024, units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", value, units[0])
}

// count prints an integer with its thousands apart.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
