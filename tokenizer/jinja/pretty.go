package jinja

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// prettyWidth is where Python's pprint breaks lines.
const prettyWidth = 80

// pretty is Python's pprint: what does not fit on a line is broken into one
// line for each part. Dicts are sorted by key.
type pretty struct {
	r *render
	b strings.Builder
}

func filterPretty(r *render, a *args) (Value, error) {
	v, err := r.sortDicts(a.v[0])
	if err != nil {
		return nil, err
	}
	p := &pretty{r: r}
	err = p.write(v, 0, 0, 1)
	return String(p.b.String()), err
}

// sortDicts returns v with all dicts in it sorted by key; keys without an order
// are sorted by the names of their types.
func (r *render) sortDicts(v Value) (Value, error) {
	if err := r.descend(); err != nil {
		return nil, err
	}
	defer r.ascend()
	inner := func(items []Value) ([]Value, error) {
		out := make([]Value, len(items))
		for i, item := range items {
			var err error
			if out[i], err = r.sortDicts(item); err != nil {
				return nil, err
			}
		}
		return out, r.growItems(len(items))
	}
	switch v := v.(type) {
	case *List:
		items, err := inner(v.items)
		return &List{items}, err
	case *tuple:
		items, err := inner(v.items)
		return newTuple(items...), err
	case *Dict:
		order := make([]int, v.Len())
		for i := range order {
			order[i] = i
		}
		if err := r.growItems(4 * v.Len()); err != nil {
			return nil, err
		}
		slices.SortStableFunc(order, func(i, j int) int { return r.compareKeys(v.keys[i], v.keys[j]) })
		d := NewDict()
		for _, i := range order {
			value, err := r.sortDicts(v.values[i])
			if err != nil {
				return nil, err
			}
			if err := r.dictSet(d, v.keys[i], value); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return v, nil
}

func (r *render) compareKeys(a, b Value) int {
	if c, err := r.order("<", a, b); err == nil && c != unordered {
		return c
	}
	return strings.Compare(a.typeName(), b.typeName())
}

// write prints v at a column; allowance is the room that closing brackets need
// after it.
func (p *pretty) write(v Value, column, allowance, level int) error {
	rep, err := p.r.repr(v)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(rep) > prettyWidth-column-allowance {
		switch v := v.(type) {
		case *List:
			return p.items("[", v.items, "]", column, allowance, level)
		case *tuple:
			if len(v.items) == 1 {
				return p.items("(", v.items, ",)", column, allowance, level)
			}
			return p.items("(", v.items, ")", column, allowance, level)
		case *Dict:
			return p.dict(v, column, allowance, level)
		case String:
			return p.text(string(v), column, allowance, level)
		}
	}
	p.b.WriteString(rep)
	return p.r.grow(len(rep))
}

// newLine ends a part and indents the next one.
func (p *pretty) newLine(i, column int) error {
	if i == 0 {
		return nil
	}
	p.b.WriteString(",\n" + strings.Repeat(" ", column))
	return p.r.grow(column + 2)
}

func (p *pretty) items(open string, items []Value, end string, column, allowance, level int) error {
	p.b.WriteString(open)
	for i, item := range items {
		if err := p.newLine(i, column+1); err != nil {
			return err
		}
		room := 1
		if i == len(items)-1 {
			room = allowance + len(end)
		}
		if err := p.write(item, column+1, room, level+1); err != nil {
			return err
		}
	}
	p.b.WriteString(end)
	return nil
}

func (p *pretty) dict(d *Dict, column, allowance, level int) error {
	p.b.WriteByte('{')
	for i, key := range d.keys {
		if err := p.newLine(i, column+1); err != nil {
			return err
		}
		rep, err := p.r.repr(key)
		if err != nil {
			return err
		}
		p.b.WriteString(rep + ": ")
		room := 1
		if i == d.Len()-1 {
			room = allowance + 1
		}
		if err := p.write(d.values[i], column+1+utf8.RuneCountInString(rep)+2, room, level+1); err != nil {
			return err
		}
	}
	p.b.WriteByte('}')
	return nil
}

// text breaks a string at line ends and, where a line is too long, at spaces.
func (p *pretty) text(s string, column, allowance, level int) error {
	if level == 1 {
		column, allowance = column+1, allowance+1
	}
	lines, err := p.r.lines(s, true)
	if err != nil {
		return err
	}
	var chunks []string
	for i, line := range lines {
		room := prettyWidth - column
		if i == len(lines)-1 {
			room -= allowance
		}
		if rep := quote(line); utf8.RuneCountInString(rep) <= room {
			chunks = append(chunks, rep)
			continue
		}
		more, err := p.breakLine(line, prettyWidth-column, room)
		if err != nil {
			return err
		}
		chunks = append(chunks, more...)
	}
	if level == 1 && len(chunks) > 1 {
		p.b.WriteByte('(')
	}
	for i, chunk := range chunks {
		if i > 0 {
			p.b.WriteString("\n" + strings.Repeat(" ", column))
		}
		if err := p.r.grow(len(chunk) + column); err != nil {
			return err
		}
		p.b.WriteString(chunk)
	}
	if level == 1 && len(chunks) > 1 {
		p.b.WriteByte(')')
	}
	return nil
}

// breakLine breaks a line after spaces; the last piece has less room.
func (p *pretty) breakLine(line string, room, lastRoom int) ([]string, error) {
	var chunks []string
	current := ""
	for line != "" {
		rest := strings.TrimLeftFunc(strings.TrimLeftFunc(line, func(c rune) bool { return !isSpace(c) }), isSpace)
		candidate := current + line[:len(line)-len(rest)]
		if err := p.r.grow(2*len(candidate) + 64); err != nil {
			return nil, err
		}
		if rest == "" {
			room = lastRoom
		}
		if current != "" && utf8.RuneCountInString(quote(candidate)) > room {
			chunks = append(chunks, quote(current))
			candidate = candidate[len(current):]
		}
		current, line = candidate, rest
	}
	return append(chunks, quote(current)), nil
}
