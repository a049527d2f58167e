package sides

import (
	"reflect"
	"testing"
)

// FuzzParse reads what may be in a file: what is read is written as it was.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{}`, `{"schema":2}`, `{"schema":1,"objects":[{"name":"a.o","functions":[{"pre":"f","post":"f"}],"pre":"f0VMRg==","post":"AA=="}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Parse(b)
		if err != nil {
			return
		}
		out, err := Bytes(list)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(out)
		if err != nil || len(again) != len(list) {
			t.Fatalf("%s: %v", out, err)
		}
		for i := range list {
			if again[i].Name != list[i].Name || !reflect.DeepEqual(append([]Pair{}, again[i].Pairs...), append([]Pair{}, list[i].Pairs...)) {
				t.Errorf("%+v, want %+v", again[i], list[i])
			}
		}
	})
}
