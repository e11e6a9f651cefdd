package jinja

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

func strftimeNow(r *render, a *args) (Value, error) {
	format, ok := text(a.v[0])
	if !ok {
		return nil, typeError("strftime() argument 1 must be str, not %s", a.v[0].typeName())
	}
	if err := r.grow(16 * len(format)); err != nil {
		return nil, err
	}
	return String(strftime(r.now, format)), nil
}

// strftime is datetime.strftime of a time without a zone, in the C locale, with
// the flags - _ 0 ^ of the GNU C library. What is unknown stays as it is.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i == len(format)-1 {
			b.WriteString(format)
			return b.String()
		}
		b.WriteString(format[:i])
		rest := strings.TrimLeft(format[i+1:], "-_0^")
		flags := format[i+1 : len(format)-len(rest)]
		c, size := utf8.DecodeRuneInString(rest)
		whole := format[i : len(format)-len(rest)+size]
		format = rest[size:]
		s, ok := timePart(t, c)
		if !ok {
			b.WriteString(whole)
			continue
		}
		for _, flag := range flags {
			s = applyFlag(s, flag)
		}
		b.WriteString(s)
	}
}

// applyFlag changes the padding of a number or makes text large.
func applyFlag(s string, flag rune) string {
	digits := strings.TrimLeft(s, "0 ")
	if digits == "" && s != "" {
		digits = s[len(s)-1:]
	}
	pad := len(s) - len(digits)
	number := digits != "" && isDecimal(digits[0])
	switch {
	case flag == '^':
		return strings.ToUpper(s)
	case flag == '-' && number:
		return digits
	case flag == '_' && number:
		return strings.Repeat(" ", pad) + digits
	case flag == '0' && number:
		return strings.Repeat("0", pad) + digits
	}
	return s
}

// timePart returns what one directive stands for.
func timePart(t time.Time, c rune) (string, bool) {
	if layout, ok := timeLayout(c); ok {
		return t.Format(layout), true
	}
	year, week := t.ISOWeek()
	hour12 := (t.Hour()+11)%12 + 1
	switch c {
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), true
	case 'g':
		return fmt.Sprintf("%02d", year%100), true
	case 'G':
		return fmt.Sprint(year), true
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay()), true
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), true
	case 'l':
		return fmt.Sprintf("%2d", hour12), true
	case 'P':
		return strings.ToLower(t.Format("PM")), true
	case 's':
		return fmt.Sprint(t.Unix()), true
	case 'u':
		return fmt.Sprint((int(t.Weekday())+6)%7 + 1), true
	case 'w':
		return fmt.Sprint(int(t.Weekday())), true
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-int(t.Weekday()))/7), true
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-(int(t.Weekday())+6)%7)/7), true
	case 'V':
		return fmt.Sprintf("%02d", week), true
	case 'z', 'Z': // no zone
		return "", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case '%':
		return "%", true
	}
	return "", false
}

// timeLayout returns a directive in the terms of package time.
func timeLayout(c rune) (string, bool) {
	switch c {
	case 'a':
		return "Mon", true
	case 'A':
		return "Monday", true
	case 'b', 'h':
		return "Jan", true
	case 'B':
		return "January", true
	case 'c':
		return "Mon Jan _2 15:04:05 2006", true
	case 'd':
		return "02", true
	case 'D', 'x':
		return "01/02/06", true
	case 'e':
		return "_2", true
	case 'F':
		return "2006-01-02", true
	case 'H':
		return "15", true
	case 'I':
		return "03", true
	case 'm':
		return "01", true
	case 'M':
		return "04", true
	case 'p':
		return "PM", true
	case 'r':
		return "03:04:05 PM", true
	case 'R':
		return "15:04", true
	case 'S':
		return "05", true
	case 'T', 'X':
		return "15:04:05", true
	case 'y':
		return "06", true
	case 'Y':
		return "2006", true
	}
	return "", false
}
