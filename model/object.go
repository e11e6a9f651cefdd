package model

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"trona/model/mmap"
)

// maxConfigBytes bounds the JSON files of a checkpoint.
const maxConfigBytes = 4 << 20

// object is a JSON object whose members are taken one by one. A member that is
// null counts as absent. What nobody took in the end was not understood.
type object struct {
	*problems
	prefix  string // of the names in messages: "rope_scaling."
	members map[string]jsontext.Value
}

// readObject reads a JSON file of a checkpoint: one object, no duplicate names.
func readObject(path string) (*object, error) {
	f, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, min(f.Size(), maxConfigBytes+1))
	if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return parseObject(filepath.Base(path), data)
}

func parseObject(file string, data []byte) (*object, error) {
	o := &object{problems: &problems{file: file}}
	if len(data) > maxConfigBytes {
		o.add("", "longer than %d bytes", maxConfigBytes)
		return nil, o.result()
	}
	if err := json.Unmarshal(data, &o.members); err != nil {
		var syntax *jsontext.SyntacticError
		if errors.As(err, &syntax) {
			o.add("", "byte %d: %s%s", syntax.ByteOffset, syntax.Err, pointer(syntax.JSONPointer))
		} else {
			o.add("", "must be a JSON object")
		}
		return nil, o.result()
	}
	if o.members == nil {
		o.add("", "must be a JSON object, not null")
		return nil, o.result()
	}
	o.printable()
	return o, o.result()
}

// printable refuses names with control characters, which would reach a terminal with those
// that nobody understood.
func (o *object) printable() {
	for _, name := range o.rest() {
		if strings.ContainsFunc(name, unicode.IsControl) {
			o.add("", "%.60q has control characters", o.prefix+name)
		}
	}
}

// pointer describes a place in a file; deep ones are cut, for they may be long.
func pointer(p jsontext.Pointer) string {
	if p == "" {
		return ""
	}
	if len(p) > 80 {
		p = p[:80] + "..."
	}
	return fmt.Sprintf(" at %q", string(p))
}

// fail notes a problem with the member called name.
func (o *object) fail(name, format string, args ...any) {
	o.add(o.prefix+name, format, args...)
}

// take removes and returns a member; ok is false where it is absent or null.
func (o *object) take(name string) (v jsontext.Value, ok bool) {
	v, ok = o.members[name]
	delete(o.members, name)
	return v, ok && v.Kind() != 'n'
}

// rename gives members other names, unless there are such. Messages have the file's.
func (o *object) rename(names [][2]string) {
	o.names = map[string]string{}
	for _, n := range names {
		if _, taken := o.members[n[1]]; taken {
			continue
		}
		if v, ok := o.members[n[0]]; ok {
			delete(o.members, n[0])
			o.members[n[1]] = v
		}
		o.names[n[1]] = n[0]
	}
}

// short returns a value for a message.
func short(v jsontext.Value) string {
	const most = 40
	if len(v) > most {
		return string(v[:most]) + "..."
	}
	return string(v)
}

// integer takes a whole number, which may be written as 8192.0 too. Every getter
// returns ok = false both where the member is absent and where it is bad, which
// it notes.
func (o *object) integer(name string) (v int64, ok bool) {
	raw, ok := o.take(name)
	if !ok {
		return 0, false
	}
	if raw.Kind() == '0' {
		if json.Unmarshal(raw, &v) == nil {
			return v, true
		}
		const exact = 1 << 53 // from here on floats skip whole numbers
		if f, err := strconv.ParseFloat(string(raw), 64); err == nil && f == math.Trunc(f) && math.Abs(f) < exact {
			return int64(f), true
		}
	}
	o.fail(name, "must be a whole number, not %s", short(raw))
	return 0, false
}

// number takes a number.
func (o *object) number(name string) (v float64, ok bool) {
	raw, ok := o.take(name)
	if !ok {
		return 0, false
	}
	if raw.Kind() != '0' || json.Unmarshal(raw, &v) != nil {
		o.fail(name, "must be a number, not %s", short(raw))
		return 0, false
	}
	return v, true
}

// numbers takes a list of numbers; absent means none.
func (o *object) numbers(name string) (list []float64) {
	raw, ok := o.take(name)
	if ok && json.Unmarshal(raw, &list) != nil {
		o.fail(name, "must be a list of numbers, not %s", short(raw))
		return nil
	}
	return list
}

// flag takes a truth value; absent means false.
func (o *object) flag(name string) bool {
	raw, ok := o.take(name)
	if !ok {
		return false
	}
	if k := raw.Kind(); k != 't' && k != 'f' {
		o.fail(name, "must be true or false, not %s", short(raw))
		return false
	}
	return raw.Kind() == 't'
}

// text takes a string; absent means "".
func (o *object) text(name string) (s string) {
	raw, ok := o.take(name)
	if !ok {
		return ""
	}
	if json.Unmarshal(raw, &s) != nil {
		o.fail(name, "must be a string, not %s", short(raw))
		return ""
	}
	return s
}

// texts takes a list of strings; absent means none.
func (o *object) texts(name string) (list []string) {
	raw, ok := o.take(name)
	if !ok {
		return nil
	}
	if json.Unmarshal(raw, &list) != nil {
		o.fail(name, "must be a list of strings, not %s", short(raw))
		return nil
	}
	return list
}

// child takes an object; nil where it is absent.
func (o *object) child(name string) *object {
	raw, ok := o.take(name)
	if !ok {
		return nil
	}
	return o.descend(name, raw)
}

func (o *object) descend(name string, raw jsontext.Value) *object {
	c := &object{problems: o.problems, prefix: o.prefix + name + "."}
	if raw.Kind() != '{' || json.Unmarshal(raw, &c.members) != nil {
		o.fail(name, "must be an object, not %s", short(raw))
		return nil
	}
	c.printable()
	return c
}

// children takes a list of objects.
func (o *object) children(name string) []*object {
	raw, ok := o.take(name)
	if !ok {
		return nil
	}
	var list []jsontext.Value
	if json.Unmarshal(raw, &list) != nil {
		o.fail(name, "must be a list of objects, not %s", short(raw))
		return nil
	}
	all := make([]*object, len(list))
	for i, v := range list {
		if all[i] = o.descend(name+"["+strconv.Itoa(i)+"]", v); all[i] == nil {
			return nil
		}
	}
	return all
}

// integers takes a whole number or a list of them.
func (o *object) integers(name string, most int) []int64 {
	raw, ok := o.members[name]
	if !ok || raw.Kind() != '[' {
		if v, ok := o.integer(name); ok {
			return []int64{v}
		}
		return nil
	}
	delete(o.members, name)
	var list []int64
	if json.Unmarshal(raw, &list) != nil {
		o.fail(name, "must be a whole number or a list of them, not %s", short(raw))
		return nil
	}
	if len(list) == 0 || len(list) > most {
		o.fail(name, "must have 1 to %d entries, not %d", most, len(list))
		return nil
	}
	return list
}

// neutral refuses the member unless it is absent, null or the value that
// changes nothing: these are features that this program does not have.
func (o *object) neutral(name, value string) {
	raw, ok := o.take(name)
	if !ok || string(raw) == value {
		return
	}
	if want, err := strconv.ParseFloat(value, 64); err == nil {
		if got, err := strconv.ParseFloat(string(raw), 64); err == nil && got == want {
			return
		}
	}
	o.fail(name, "%s is not supported", short(raw))
}

// refuseRest refuses every member that nobody took, unless it says "off".
func (o *object) refuseRest() {
	for _, name := range o.rest() {
		if raw := o.members[name]; raw.Kind() != 'n' && raw.Kind() != 'f' {
			o.fail(name, "%s is not supported", short(raw))
		}
	}
}

// rest returns the names of the members that nobody took, sorted.
func (o *object) rest() []string {
	return slices.Sorted(maps.Keys(o.members))
}
