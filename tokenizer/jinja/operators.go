package jinja

import (
	"math"
	"math/big"
	"strings"
)

func (r *render) unary(op string, v Value) (Value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, u.fail()
	}
	if f, ok := v.(Float); ok {
		if op == "-" {
			f = -f
		}
		return f, nil
	}
	n, ok := integer(v)
	if !ok {
		return nil, typeError("bad operand type for unary %s: '%s'", op, v.typeName())
	}
	if op == "+" {
		return n, nil
	}
	return r.chargeInts(subInts, Int(0), n)
}

// binary is Python's arithmetic, on numbers, text and sequences.
func (r *render) binary(op string, a, b Value) (Value, error) {
	if isNumber(a) && isNumber(b) {
		return r.arithmetic(op, a, b)
	}
	if s, ok := text(a); ok && op == "%" {
		return r.printf(like(a, s), b)
	}
	if _, ok := a.(markup); ok && op == "*" {
		return r.repeat(a, b)
	}
	for _, v := range []Value{a, b} {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
	}
	switch op {
	case "+":
		return r.concat(a, b)
	case "*":
		return r.repeat(a, b)
	}
	if op == "**" {
		op = "** or pow()"
	}
	return nil, operandError(op, a, b)
}

func operandError(op string, a, b Value) error {
	return typeError("unsupported operand type(s) for %s: '%s' and '%s'", op, a.typeName(), b.typeName())
}

func (r *render) arithmetic(op string, a, b Value) (Value, error) {
	_, aFloat := a.(Float)
	_, bFloat := b.(Float)
	if aFloat || bFloat {
		x, err := toFloat(a)
		if err != nil {
			return nil, err
		}
		y, err := toFloat(b)
		if err != nil {
			return nil, err
		}
		if op == "**" {
			return r.powFloats(x, y)
		}
		return floatArithmetic(op, x, y)
	}
	x, _ := integer(a)
	y, _ := integer(b)
	switch op {
	case "+":
		return r.chargeInts(addInts, x, y)
	case "-":
		return r.chargeInts(subInts, x, y)
	case "*":
		return r.mulInts(x, y)
	case "/":
		if err := r.spend((toBig(x).BitLen() + toBig(y).BitLen()) / 64); err != nil {
			return nil, err
		}
		return divInts(x, y)
	case "**":
		return r.powInts(x, y)
	}
	if op == "%" && toBig(y).Sign() == 0 {
		return nil, raise("ZeroDivisionError", "integer modulo by zero")
	}
	q, m, err := r.divModInts(x, y)
	if op == "//" {
		return q, err
	}
	return m, err
}

// chargeInts takes the steps for large numbers.
func (r *render) chargeInts(f func(a, b Value) Value, a, b Value) (Value, error) {
	_, aBig := a.(bigInt)
	_, bBig := b.(bigInt)
	if aBig || bBig {
		if err := r.grow(max(toBig(a).BitLen(), toBig(b).BitLen()) / 8); err != nil {
			return nil, err
		}
	}
	return f(a, b), nil
}

func floatArithmetic(op string, x, y float64) (Value, error) {
	switch op {
	case "+":
		return Float(x + y), nil
	case "-":
		return Float(x - y), nil
	case "*":
		return Float(x * y), nil
	}
	if y == 0 {
		return nil, raise("ZeroDivisionError", "%s", map[string]string{
			"/": "float division by zero", "//": "float floor division by zero", "%": "float modulo",
		}[op])
	}
	if op == "/" {
		return Float(x / y), nil
	}
	q, m := divModFloats(x, y)
	if op == "//" {
		return Float(q), nil
	}
	return Float(m), nil
}

// concat is + of text and sequences. What is added to a Markup is escaped.
func (r *render) concat(a, b Value) (Value, error) {
	s, aText := text(a)
	t, bText := text(b)
	_, aMarkup := a.(markup)
	_, bMarkup := b.(markup)
	switch {
	case aText && bText && (aMarkup || bMarkup):
		left, err := r.escape(a)
		if err != nil {
			return nil, err
		}
		right, err := r.escape(b)
		if err != nil {
			return nil, err
		}
		if err := r.grow(len(left) + len(right)); err != nil {
			return nil, err
		}
		return left + right, nil
	case aText && bText:
		if err := r.grow(len(s) + len(t)); err != nil {
			return nil, err
		}
		return String(s + t), nil
	case aText && !aMarkup:
		return nil, typeError(`can only concatenate str (not "%s") to str`, b.typeName())
	}
	switch x := a.(type) {
	case *List:
		y, ok := b.(*List)
		if !ok {
			return nil, typeError(`can only concatenate list (not "%s") to list`, b.typeName())
		}
		items, err := r.concatItems(x.items, y.items)
		return &List{items}, err
	case *tuple:
		y, ok := b.(*tuple)
		if !ok {
			return nil, typeError(`can only concatenate tuple (not "%s") to tuple`, b.typeName())
		}
		items, err := r.concatItems(x.items, y.items)
		return newTuple(items...), err
	}
	return nil, operandError("+", a, b)
}

func (r *render) concatItems(a, b []Value) ([]Value, error) {
	if err := r.growItems(len(a) + len(b)); err != nil {
		return nil, err
	}
	return append(append(make([]Value, 0, len(a)+len(b)), a...), b...), nil
}

// repeat is * of a sequence and an int.
func (r *render) repeat(a, b Value) (Value, error) {
	seq, count := a, b
	_, aMarkup := a.(markup)
	_, bMarkup := b.(markup)
	if !isRepeatable(a) || bMarkup && !aMarkup {
		seq, count = b, a
	}
	if !isRepeatable(seq) {
		return nil, operandError("*", a, b)
	}
	if _, ok := integer(count); !ok && (aMarkup || bMarkup) {
		return nil, typeError("'%s' object cannot be interpreted as an integer", count.typeName())
	} else if !ok {
		return nil, typeError("can't multiply sequence by non-int of type '%s'", count.typeName())
	}
	list, isList := seq.(*List)
	tup, isTuple := seq.(*tuple)
	n, ok := smallInt(count)
	if !ok {
		return nil, raise("OverflowError", "cannot fit 'int' into an index-sized integer")
	}
	switch n = max(n, 0); {
	case isList:
		items, err := r.repeatItems(list.items, n)
		return &List{items}, err
	case isTuple:
		items, err := r.repeatItems(tup.items, n)
		return newTuple(items...), err
	}
	s, _ := text(seq)
	s, err := r.repeatText(s, n)
	return like(seq, s), err
}

func isRepeatable(v Value) bool {
	switch v.(type) {
	case String, markup, *List, *tuple:
		return true
	}
	return false
}

// repeatText is strings.Repeat within the limits.
func (r *render) repeatText(s string, n int) (string, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > r.memory/len(s) {
		return "", limitError("memory")
	}
	if err := r.grow(len(s) * n); err != nil {
		return "", err
	}
	return strings.Repeat(s, n), nil
}

func (r *render) repeatItems(items []Value, n int) ([]Value, error) {
	if n == 0 || len(items) == 0 {
		return nil, nil
	}
	if n > r.steps/len(items) {
		return nil, limitError("steps")
	}
	if err := r.growItems(len(items) * n); err != nil {
		return nil, err
	}
	out := make([]Value, 0, len(items)*n)
	for range n {
		out = append(out, items...)
	}
	return out, nil
}

// compare evaluates one operator of a comparison.
func (r *render) compare(op string, a, b Value) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		same, err := r.equal(a, b)
		return !same, err
	case "in":
		return r.contains(b, a)
	case "not in":
		found, err := r.contains(b, a)
		return !found, err
	}
	c, err := r.order(op, a, b)
	if err != nil || c == unordered {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// spendNumbers takes the steps for comparing large numbers.
func (r *render) spendNumbers(a, b Value) error {
	n := 0
	for _, v := range [2]Value{a, b} {
		if big, ok := v.(bigInt); ok {
			n += big.BitLen() / 64
		}
	}
	return r.spend(n)
}

// unordered is the order of not-a-number.
const unordered = 2

// order compares a and b for an operator such as <: -1, 0, 1 or unordered.
func (r *render) order(op string, a, b Value) (int, error) {
	if isNumber(a) && isNumber(b) {
		return compareNumbers(a, b), r.spendNumbers(a, b)
	}
	if s, ok := text(a); ok {
		if t, ok := text(b); ok {
			return strings.Compare(s, t), r.spend(min(len(s), len(t)) / 64)
		}
	}
	if x, ok := a.(*List); ok {
		if y, ok := b.(*List); ok {
			return r.orderItems(op, x.items, y.items)
		}
	}
	if x, ok := a.(*tuple); ok {
		if y, ok := b.(*tuple); ok {
			return r.orderItems(op, x.items, y.items)
		}
	}
	for _, v := range []Value{a, b} {
		if u, ok := v.(*undefined); ok {
			return 0, u.fail()
		}
	}
	return 0, typeError("'%s' not supported between instances of '%s' and '%s'", op, a.typeName(), b.typeName())
}

func (r *render) orderItems(op string, a, b []Value) (int, error) {
	if err := r.descend(); err != nil {
		return 0, err
	}
	defer r.ascend()
	for i := range min(len(a), len(b)) {
		same, err := r.equal(a[i], b[i])
		if err != nil {
			return 0, err
		}
		if !same {
			return r.order(op, a[i], b[i])
		}
	}
	return compareNumbers(Int(len(a)), Int(len(b))), nil
}

func compareNumbers(a, b Value) int {
	x, aFloat := a.(Float)
	y, bFloat := b.(Float)
	switch {
	case aFloat && bFloat:
		return compareFloats(float64(x), float64(y))
	case aFloat && math.IsNaN(float64(x)):
		return unordered
	case aFloat:
		return -compareIntFloat(b, float64(x))
	case bFloat:
		return compareIntFloat(a, float64(y))
	}
	m, _ := integer(a)
	n, _ := integer(b)
	if i, ok := m.(Int); ok {
		if j, ok := n.(Int); ok {
			switch {
			case i < j:
				return -1
			case i > j:
				return 1
			}
			return 0
		}
	}
	return toBig(m).Cmp(toBig(n))
}

func compareFloats(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	case x == y:
		return 0
	}
	return unordered
}

// compareIntFloat compares exactly.
func compareIntFloat(n Value, f float64) int {
	if math.IsNaN(f) {
		return unordered
	}
	if math.IsInf(f, 0) {
		return -int(math.Copysign(1, f))
	}
	return new(big.Float).SetInt(toBig(n)).Cmp(new(big.Float).SetFloat64(f))
}

// equal is Python's ==.
func (r *render) equal(a, b Value) (bool, error) {
	if err := r.spend(1); err != nil {
		return false, err
	}
	if isNumber(a) || isNumber(b) {
		return isNumber(a) && isNumber(b) && compareNumbers(a, b) == 0, r.spendNumbers(a, b)
	}
	if s, ok := text(a); ok {
		t, ok := text(b)
		if !ok || len(s) != len(t) {
			return false, nil
		}
		return s == t, r.scan(s)
	}
	switch x := a.(type) {
	case noneType:
		return b == None, nil
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	case *List:
		y, ok := b.(*List)
		if !ok || len(x.items) != len(y.items) {
			return false, nil
		}
		return r.equalItems(x.items, y.items)
	case *tuple:
		y, ok := b.(*tuple)
		if !ok || len(x.items) != len(y.items) {
			return false, nil
		}
		return r.equalItems(x.items, y.items)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok {
			return false, nil
		}
		return r.equalDicts(x, y)
	case *rangeValue:
		y, ok := b.(*rangeValue)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step)), nil
	case *view:
		y, ok := b.(*view)
		if !ok || x.kind == "dict_values" {
			return a == b, nil
		}
		return r.equalViews(x, y)
	}
	return a == b, nil
}

func (r *render) equalItems(a, b []Value) (bool, error) {
	if err := r.descend(); err != nil {
		return false, err
	}
	defer r.ascend()
	for i := range a {
		if same, err := r.equal(a[i], b[i]); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *render) equalDicts(a, b *Dict) (bool, error) {
	if a.Len() != b.Len() {
		return false, nil
	}
	if err := r.descend(); err != nil {
		return false, err
	}
	defer r.ascend()
	for i, key := range a.keys {
		v, err := r.dictGet(b, key)
		if v == nil || err != nil {
			return false, err
		}
		if same, err := r.equal(a.values[i], v); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// equalViews compares keys, or keys and values, as sets.
func (r *render) equalViews(a, b *view) (bool, error) {
	if a.kind != b.kind || a.dict.Len() != b.dict.Len() {
		return false, nil
	}
	if a.kind == "dict_items" {
		return r.equalDicts(a.dict, b.dict)
	}
	for _, key := range a.dict.keys {
		v, err := r.dictGet(b.dict, key)
		if v == nil || err != nil {
			return false, err
		}
	}
	return true, nil
}

// contains is Python's v in set.
func (r *render) contains(set, v Value) (bool, error) {
	switch set := set.(type) {
	case String, markup:
		s, _ := text(set)
		part, ok := text(v)
		if !ok {
			return false, typeError("'in <string>' requires string as left operand, not %s", v.typeName())
		}
		return strings.Contains(s, part), r.scan(s)
	case *Dict:
		found, err := r.dictGet(set, v)
		return found != nil, err
	case *view:
		if set.kind == "dict_keys" {
			found, err := r.dictGet(set.dict, v)
			return found != nil, err
		}
	case *rangeValue:
		return set.contains(v), nil
	}
	next, err := r.iterate(set)
	if err != nil {
		return false, typeError("argument of type '%s' is not iterable", set.typeName())
	}
	for {
		item, err := next()
		if item == nil || err != nil {
			return false, err
		}
		if item == v {
			return true, nil
		}
		if same, err := r.equal(item, v); same || err != nil {
			return same, err
		}
	}
}

func (v *rangeValue) contains(x Value) bool {
	if f, ok := x.(Float); ok && float64(f) == math.Trunc(float64(f)) && !math.IsInf(float64(f), 0) {
		x = intFromFloat(float64(f))
	}
	n, ok := smallInt(x)
	if !ok || v.n == 0 {
		return false
	}
	offset := n - v.start
	return offset%v.step == 0 && offset/v.step >= 0 && offset/v.step < v.n
}
