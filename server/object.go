package server

import "github.com/go-json-experiment/json/jsontext"

// object is a JSON object whose members are taken one by one.
type object struct {
	value
	members []value
	taken   []bool
}

// maxMembers bounds the members of an object that is taken apart.
const maxMembers = 1000

// object returns v, which must be an object, ready to be taken apart.
func (v *value) object() *object {
	o := &object{value: *v}
	if v.raw.Kind() != '{' {
		v.must("an object")
		return o
	}
	var name string
	isName := true
	for raw := range v.parts() {
		if isName {
			text, _ := jsontext.AppendUnquote(nil, raw)
			name = string(text)
		} else if len(o.members) == maxMembers {
			v.fail("must not have more than %d members", maxMembers)
			break
		} else {
			o.members = append(o.members, value{d: v.d, raw: raw, parent: &o.value, name: name})
		}
		isName = !isName
	}
	o.taken = make([]bool, len(o.members))
	return o
}

// take returns a member, nil where it is absent or null.
func (o *object) take(name string) *value {
	for i := range o.members {
		if o.members[i].name == name {
			o.taken[i] = true
			if o.members[i].raw.Kind() == 'n' {
				return nil
			}
			return &o.members[i]
		}
	}
	return nil
}

// need returns a member that must be there.
func (o *object) need(name string) *value {
	v := o.take(name)
	if v == nil {
		missing := value{d: o.d, parent: &o.value, name: name}
		missing.fail("is required")
		missing.raw = jsontext.Value("null")
		return &missing
	}
	return v
}

// unsupported refuses members that ask for what is not built.
func (o *object) unsupported(names ...string) {
	for _, name := range names {
		if v := o.take(name); v != nil {
			v.fail("is not supported by this server")
		}
	}
}

// refuseTrue takes a boolean that must not be true.
func (o *object) refuseTrue(name string) {
	if v := o.take(name); v != nil && v.boolean() {
		v.fail("is not supported by this server")
	}
}

// rest notes the members that were not taken as ignored.
func (o *object) rest() {
	for i := range o.members {
		if !o.taken[i] && o.members[i].raw.Kind() != 'n' {
			o.d.ignored = append(o.d.ignored, o.members[i].path())
		}
	}
}

// flag returns a boolean member, or what it is when absent.
func (o *object) flag(name string, absent bool) bool {
	if v := o.take(name); v != nil {
		return v.boolean()
	}
	return absent
}

// integer returns a member that is a whole number, or what it is when absent.
func (o *object) integer(name string, least, most, absent int64) int64 {
	if v := o.take(name); v != nil {
		return v.integer(least, most)
	}
	return absent
}

// number returns a member that is a number; nil where it is absent.
func (o *object) number(name string, least, most float64) *float64 {
	if v := o.take(name); v != nil {
		x := v.number(least, most)
		return &x
	}
	return nil
}

// text returns a string member of at most that many bytes, "" where it is absent.
func (o *object) text(name string, most int) string {
	if v := o.take(name); v != nil {
		return v.text(0, most)
	}
	return ""
}

// peek returns a member as it came, nil where there is none.
func (o *object) peek(name string) jsontext.Value {
	for i := range o.members {
		if o.members[i].name == name && o.members[i].raw.Kind() != 'n' {
			return o.members[i].raw
		}
	}
	return nil
}

func (o *object) peekText(name string) string { return unquote(o.peek(name)) }
