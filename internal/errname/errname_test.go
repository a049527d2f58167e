package errname

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestNamed(t *testing.T) {
	kind := errors.New("a kind")
	sub := New("a kind of it", kind)
	err := As(fmt.Errorf("read: %w", io.EOF), sub)
	if err.Error() != "read: EOF" || !errors.Is(err, io.EOF) || !errors.Is(err, sub) || !errors.Is(err, kind) || errors.Is(kind, sub) {
		t.Errorf("%v", err)
	}
	if As(nil, sub) != nil || As(err, kind) != err {
		t.Error("nil, or a name that it has, is named")
	}
}
