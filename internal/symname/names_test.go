package symname

import "testing"

func TestStem(t *testing.T) {
	for name, want := range map[string][2]string{
		"x":                               {"x", "x"},
		"x.12":                            {"x", "x"},
		"f.x.12":                          {"f.x", "x"},
		"f.isra.0":                        {"f.isra", "isra"},
		"__UNIQUE_ID_ddebug594":           {"__UNIQUE_ID_ddebug", "__UNIQUE_ID_ddebug"},
		"__UNIQUE_ID_ddebug594.26":        {"__UNIQUE_ID_ddebug", "__UNIQUE_ID_ddebug"},
		"f.__UNIQUE_ID_ddebug594":         {"f.__UNIQUE_ID_ddebug", "__UNIQUE_ID_ddebug"},
		"f.__UNIQUE_ID_ddebug594.26":      {"f.__UNIQUE_ID_ddebug", "__UNIQUE_ID_ddebug"},
		"f.descriptor.28":                 {"f.descriptor", "descriptor"},
		"__BTF_ID__struct__sk_buff__1088": {"__BTF_ID__struct__sk_buff", "__BTF_ID__struct__sk_buff"},
	} {
		if got := [2]string{Stem(name), Variable(name)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
