package ktree

import (
	"testing"
)

// TestAlways tells what is included whatever is configured.
func TestAlways(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"plain", "int a;\n#include <x.h>\n", true},
		{"in a guard", "/* a */\n#ifndef A_H\n#define A_H\n#include <x.h>\n#endif\n", true},
		{"in a guard with a value", "#ifndef A_H\n#define A_H 1\n# include <x.h>\n#endif\n", true},
		{"behind a condition in a guard", "#ifndef A_H\n#define A_H\n#ifdef B\n#else\n#endif\n#include <x.h>\n#endif\n", true},
		{"behind a guard", "#ifndef A_H\n#define A_H\n#endif\n#include <x.h>\n", true},
		{"under a condition", "#ifdef CONFIG_A\n#include <x.h>\n#endif\n", false},
		{"under a condition in a guard", "#ifndef A_H\n#define A_H\n#if B\n#include <x.h>\n#endif\n#endif\n", false},
		{"the other way of a guard", "#ifndef A_H\n#define A_H\n#else\n#include <x.h>\n#endif\n", false},
		{"under what looks like a guard", "#ifndef A_H\n#define B_H\n#include <x.h>\n#endif\n", false},
		{"under a later one", "#define B\n#ifndef A_H\n#define A_H\n#include <x.h>\n#endif\n", false},
		{"under a second one", "#ifndef A_H\n#define A_H\n#endif\n#ifndef B_H\n#include <x.h>\n#endif\n", false},
		{"a guard that asks more", "#if !defined(A_H) || defined(B)\n#define A_H\n#include <x.h>\n#endif\n", false},
		{"the next one of a name", "#include_next <x.h>\n", false},
	} {
		list := includesOf([]byte(tt.text))
		if len(list) != 1 || list[0].Always != tt.want {
			t.Errorf("%s: %+v, want %v", tt.name, list, tt.want)
		}
	}
}

// TestCertain follows what is always included, as the compiler finds it.
func TestCertain(t *testing.T) {
	always := func(name string, quoted bool) include { return include{Name: name, Quoted: quoted, Always: true} }
	g := &graph{Includes: map[string][]include{
		"fs/a.c":              {always("near.h", true), {Name: "linux/maybe.h"}},
		"fs/near.h":           {always("linux/far.h", false), always("fs/a.c", true)},
		"near.h":              nil,
		"include/linux/far.h": {always("asm/x.h", false)},
		"arch/asm/x.h":        nil,
		"include/asm/x.h":     nil,
		"include/linux/maybe.h": {
			always("linux/beyond.h", false),
		},
		"include/linux/beyond.h": nil,
		"include/linux/forced.h": nil,
	}}
	g.index()
	u := &Unit{Source: "fs/a.c", Command: "gcc -I./arch -I./include -include ./include/linux/forced.h -c -o fs/a.o fs/a.c"}
	for name, want := range map[string]bool{
		"fs/a.c": true, "fs/near.h": true, "include/linux/far.h": true, "arch/asm/x.h": true, "include/linux/forced.h": true,
		"near.h": false, "include/asm/x.h": false, "include/linux/maybe.h": false, "include/linux/beyond.h": false, "include/linux/none.h": false,
	} {
		q := &question{want: map[string]bool{name: true}, reached: map[string]bool{}, graph: g}
		g.reach(name, q.reached)
		if got := q.certain(u); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
