package source

import (
	"errors"
	"testing"
)

// TestFirstBad looks for every place in lists of every length.
func TestFirstBad(t *testing.T) {
	for n := 1; n <= 20; n++ {
		for want := range n {
			asked := 0
			got, err := firstBad(n, func(with int) (bool, error) {
				asked++
				return with > want, nil
			})
			if got != want || err != nil || asked > 5 {
				t.Errorf("%d of %d: %d, %v, asked %d times", want, n, got, err, asked)
			}
		}
	}
	failed := errors.New("failed")
	if _, err := firstBad(3, func(int) (bool, error) { return false, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}
