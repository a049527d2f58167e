package main

import (
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestCampaign tries a few inputs of each kind, sound ones first.
func TestCampaign(t *testing.T) {
	testenv.Need(t, "gcc", "ld", "objcopy")
	opt := &options{seed: 1, seeds: t.TempDir(), cache: &cache{seeds: map[string][]seed{}}}
	if err := makeSeeds(opt.seeds, nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		seeds := opt.cache.of(opt.seeds, k)
		if len(seeds) == 0 {
			t.Errorf("%s: no seeds", k.name)
		}
		for _, s := range seeds {
			in := &input{changed: s.data, other: s.other}
			in.decide()
			if got := try(k, in); isFailure(got) || got == "damaged" || got == "damaged update" {
				t.Errorf("%s: a sound one is %s", k.name, got)
			}
		}
	}
	n := uint64(3000)
	if testing.Short() {
		n = 300
	}
	for i := range n {
		k, in := inputOf(opt, i)
		if got := try(k, in); isFailure(got) {
			t.Errorf("input %d, %s: %s", i, k.name, got)
		}
	}
}
