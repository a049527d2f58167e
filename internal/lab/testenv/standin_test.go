package testenv

import "testing"

func TestStandIn(t *testing.T) {
	for asked, want := range map[string][2]string{
		"":                                 {"gcc", "clang-14"},
		"compilers=gcc-13":                 {"gcc-13", "clang-14"},
		"compilers=/a/gcc-13:/b/clang-19":  {"/a/gcc-13", "/b/clang-19"},
		"more,compilers=clang-19:gcc-11":   {"gcc-11", "clang-19"},
		"strict,compilers=/clang/gcc-12.3": {"/clang/gcc-12.3", "clang-14"},
	} {
		t.Setenv(Env, asked)
		if got := [2]string{StandIn("gcc"), StandIn("clang-14")}; got != want {
			t.Errorf("%s: %q, not %q", asked, got, want)
		}
	}
}
