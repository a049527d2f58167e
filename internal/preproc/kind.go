package preproc

import "strings"

// names returns what an item declares, as far as it makes neither code nor data by itself; it
// is not inert where it does, or nobody knows. More names than it declares do no harm.
func (it *item) names() (list []string, inert bool) {
	if it.emits() {
		return nil, false
	}
	switch first := it.tokens[0]; {
	case first.is(";"):
		return nil, true
	case first.is("_Static_assert"):
		return nil, !has(it.tokens, "{") // it may declare a type
	case first.is("typedef"):
		return it.identifiers(), true
	}
	if list, ok := it.types(); ok {
		return list, true
	}
	if name, ok := it.function(); ok {
		return []string{name}, true
	}
	return it.external()
}

// emits reports whether an attribute, a directive or a name for the assembler has the compiler keep
// what nothing uses, or make something else of a declaration than it looks like.
func (it *item) emits() bool {
	t := it.tokens
	for i := range t {
		switch {
		case t[i][0] == '#' && len(t[i]) > 1 && !strings.HasPrefix(string(t[i]), "#pragma GCC diagnostic"):
			return true
		case t[i].is("[") && i+1 < len(t) && t[i+1].is("["): // attributes of C23
			return true
		case t[i].is("extern") && hasAsm(t[i:until(t, i, ";")]): // in a function, for all of the unit
			return true
		case (t[i].is("__attribute__") || t[i].is("__attribute")) && !isQuiet(t[i+1:min(closing(t, i+1), len(t))]):
			return true
		}
	}
	return false
}

// until is the place of the next token that is a word.
func until(t []token, from int, word string) int {
	for i := from; i < len(t); i++ {
		if t[i].is(word) {
			return i
		}
	}
	return len(t)
}

// isQuiet reports whether all of a list of attributes are such that they make nothing of what nobody
// uses. The list has its brackets in front.
func isQuiet(t []token) bool {
	depth := 0
	for i := range t {
		switch {
		case t[i].is("("):
			depth++
		case t[i].is(")"):
			depth--
		case depth == 2 && t[i].isIdentifier() && !quiet[strings.Trim(string(t[i]), "_")]:
			return false
		}
	}
	return true
}

// quiet are such attributes, without the underscores.
var quiet = words(`access address_space aligned alloc_align alloc_size always_inline artificial assume_aligned
	btf_decl_tag btf_type_tag cleanup cold const counted_by deprecated designated_init diagnose_as_builtin disable_sanitizer_instrumentation error fallthrough fd_arg
	fd_arg_read fd_arg_write flatten format format_arg function_return gnu_inline hot indirect_branch leaf malloc may_alias mode ms_abi naked no_caller_saved_registers
	no_instrument_function no_profile_instrument_function no_sanitize no_sanitize_address no_sanitize_coverage
	no_sanitize_memory no_sanitize_thread no_sanitize_undefined no_split_stack no_stack_protector nocf_check noclone
	noderef noinline noipa nonnull nonstring noreturn nothrow packed pass_object_size patchable_function_entry pure
	randomize_layout no_randomize_layout regparm returns_nonnull returns_twice scalar_storage_order section sentinel
	simd sysv_abi target tls_model transparent_union unavailable uninitialized unused vector_size visibility volatile
	warn_if_not_aligned warn_unused_result warning zero_call_used_regs force bitwise nocast safe context`)

func words(list string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(list) {
		out[w] = true
	}
	return out
}

func hasAsm(t []token) bool { return has(t, "asm") || has(t, "__asm__") || has(t, "__asm") }

// keywords are no names. A word that is missing here is a name too many.
var keywords = map[string]bool{
	"auto": true, "break": true, "case": true, "char": true, "const": true, "continue": true, "default": true, "do": true,
	"double": true, "else": true, "enum": true, "extern": true, "float": true, "for": true, "goto": true, "if": true,
	"inline": true, "int": true, "long": true, "register": true, "restrict": true, "return": true, "short": true,
	"signed": true, "sizeof": true, "static": true, "struct": true, "switch": true, "typedef": true, "union": true,
	"unsigned": true, "void": true, "volatile": true, "while": true, "_Bool": true, "__attribute__": true,
	"__inline__": true, "__inline": true, "__const": true, "__volatile__": true, "__restrict": true, "__extension__": true,
	"__signed__": true, "__int128": true, "_Noreturn": true,
}

// identifiers are all names in an item.
func (it *item) identifiers() []string {
	var out []string
	for _, t := range it.tokens {
		if t.isIdentifier() && !keywords[string(t)] {
			out = append(out, string(t))
		}
	}
	return out
}

// types are the tags and enumerators of an item that declares nothing else: it has no braces,
// or is closed by one, but for attributes.
func (it *item) types() ([]string, bool) {
	t := it.tokens
	if !isTag(t[0]) {
		return nil, false
	}
	if len(t) == 3 && t[1].isIdentifier() { // struct x;
		return []string{string(t[1])}, true
	}
	end := withoutAttributes(t[:len(t)-1])
	if end == 0 || !t[len(t)-1].is(";") {
		return nil, false
	}
	open := 1
	for depth := 0; open < end; open++ { // the attributes in front of the brace
		if t[open].is("(") {
			depth++
		} else if t[open].is(")") {
			depth--
		} else if t[open].is("{") && depth == 0 {
			break
		} else if depth == 0 && !t[open].isIdentifier() {
			return nil, false
		}
	}
	if open >= end || closing(t, open) != end-1 { // what is behind the brace is a variable, or more of it
		return nil, false
	}
	return declared(t), true
}

// declared are the names that a structure, a union or an enumeration declares, outside of itself.
func declared(t []token) []string {
	var out []string
	for i := 0; i < len(t); i++ {
		if !isTag(t[i]) {
			continue
		}
		j := pastAttributes(t, i+1)
		tag := ""
		if j < len(t) && t[j].isIdentifier() {
			tag = string(t[j])
			j = pastAttributes(t, j+1)
		}
		if j >= len(t) || !t[j].is("{") {
			continue // it is used
		}
		if tag != "" {
			out = append(out, tag)
		}
		for ; t[i].is("enum") && j < len(t) && !t[j].is("}"); j++ {
			if t[j].isIdentifier() {
				out = append(out, string(t[j]))
			}
		}
	}
	return out
}

// pastAttributes is the place behind the attributes at a place.
func pastAttributes(t []token, at int) int {
	for at < len(t) && isAttribute(t[at]) {
		at = closing(t, at+1) + 1
	}
	return at
}

func isTag(t token) bool { return t.is("struct") || t.is("union") || t.is("enum") }

// closing is the place of the bracket that closes the one at a place.
func closing(t []token, at int) int {
	depth := 0
	for i := at; i < len(t); i++ {
		switch depth += step(t[i]); {
		case depth == 0 && i > at:
			return i
		case depth <= 0: // there is none
			return len(t)
		}
	}
	return len(t)
}

// step is how much deeper in brackets a token leads.
func step(t token) int {
	if len(t) != 1 {
		return 0
	}
	switch t[0] {
	case '(', '[', '{':
		return 1
	case ')', ']', '}':
		return -1
	}
	return 0
}

// withoutAttributes is where the attributes begin that a list ends with.
func withoutAttributes(t []token) int {
	end := len(t)
	for end > 1 && t[end-1].is(")") {
		i := opening(t[:end], end-1)
		if i < 1 || !t[i-1].is("__attribute__") {
			break
		}
		end = i - 1
	}
	return end
}

// function is the name of a static inline function. Without optimization compilers keep others.
func (it *item) function() (string, bool) {
	t := it.tokens
	if !t[len(t)-1].is("}") {
		return "", false
	}
	head := 0
	for depth := 0; head < len(t); head++ {
		if t[head].is("(") {
			depth++
		} else if t[head].is(")") {
			depth--
		} else if t[head].is("{") && depth == 0 {
			break
		}
	}
	if head == len(t) || !specified(t[:head], "static") || !isDefinition(t[:head]) {
		return "", false
	}
	if !specified(t[:head], "inline") && !specified(t[:head], "__inline") && !specified(t[:head], "__inline__") {
		return "", false
	}
	return named(t[:head])
}

// specified reports whether a declaration has a word outside of all brackets: in there, it is that of a
// parameter.
func specified(t []token, word string) bool {
	depth := 0
	for i := range t {
		if depth += step(t[i]); depth == 0 && t[i].is(word) {
			return true
		}
	}
	return false
}

func has(t []token, word string) bool {
	for i := range t {
		if t[i].is(word) {
			return true
		}
	}
	return false
}

// named is the name in front of the parameters at the end of a declarator.
func named(t []token) (string, bool) {
	i := opening(t, len(t)-1)
	if i < 2 || !t[i-1].isIdentifier() || keywords[string(t[i-1])] || isAttribute(t[i-1]) {
		return "", false
	}
	return string(t[i-1]), !builtin[string(t[i-1])]
}

// builtin are functions that compilers call by themselves.
var builtin = words(`memcpy memset memmove memcmp memchr strlen abort strcpy strchr strcmp strncmp stpcpy strnlen printf puts bcmp
	__stack_chk_fail strcat strncpy strncat strrchr putchar fputc fputs fwrite fprintf sprintf snprintf malloc calloc free exit`)

// external are the names of what is defined elsewhere: functions, and variables.
func (it *item) external() ([]string, bool) {
	t := it.tokens
	if !t[len(t)-1].is(";") || has(t, "=") || has(t, "{") || hasAsm(t) {
		return nil, false
	}
	t = t[:withoutAttributes(t[:len(t)-1])]
	if len(t) == 0 {
		return nil, false
	}
	name, ok := prototype(t)
	if !specified(t, "extern") {
		return []string{name}, ok && !builtin[name]
	}
	if ok {
		return []string{name}, !builtin[name]
	}
	list := it.identifiers()
	for _, name := range list {
		if builtin[name] {
			return nil, false
		}
	}
	return list, true
}

// prototype is the name of the one function that a declaration declares for sure: nothing tells a
// parameter from a variable in brackets where neither is known to be a type.
func prototype(t []token) (string, bool) {
	if several(t) || !t[len(t)-1].is(")") {
		return "", false
	}
	name, ok := named(t)
	i := opening(t, len(t)-1)
	if name == "" || !ok && !builtin[name] || i < 2 {
		return "", false
	}
	switch inside := t[i+1 : len(t)-1]; {
	case len(inside) == 0: // int f();
		return name, true
	case inside[0].is("void"), inside[0].is("const"), isTag(inside[0]), basic[string(inside[0])]:
		return name, true
	case !inside[0].isIdentifier() || keywords[string(inside[0])] || isAttribute(inside[0]):
		return "", false
	case len(inside) > 1 && !inside[1].is("*") && !inside[1].is(",") && (!inside[1].isIdentifier() || isAttribute(inside[1])):
		return "", false
	case len(inside) > 1 && (inside[1].is("*") || inside[1].isIdentifier()):
		return name, true
	}
	before := t[i-2]
	return name, before.is("*") || basic[string(before)] || before.isIdentifier() && !keywords[string(before)] && !isAttribute(before)
}

// basic are types that are words.
var basic = words("void char short int long signed unsigned float double _Bool __int128 __signed__")

// several reports whether a declaration has more than one declarator.
func several(t []token) bool {
	depth := 0
	for i := range t {
		switch {
		case t[i].is("("), t[i].is("["):
			depth++
		case t[i].is(")"), t[i].is("]"):
			depth--
		case t[i].is(",") && depth == 0:
			return true
		}
	}
	return false
}
