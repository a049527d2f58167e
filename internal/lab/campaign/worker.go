package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strings"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// maxAddressSpace bounds a worker, so that what takes all memory ends it alone.
const maxAddressSpace = 8 << 30

// work tries every input that is this worker's.
func work(opt *options) error {
	if err := limitAddressSpace(maxAddressSpace); err != nil {
		return err
	}
	for i := opt.from; i < opt.from+opt.n; i += uint64(opt.workers) {
		kind, in := inputOf(opt, i)
		outcome := try(kind, in)
		if outcome == overMemory {
			outcome = alone(opt, kind, i, in)
		}
		if isFailure(outcome) {
			outcome += " " + saved(opt, kind, i, in)
		}
		fmt.Printf("%s\t%s\n", kind.name, strings.ReplaceAll(outcome, "\n", " "))
	}
	return nil
}

// input is what is tried: the bytes that were changed, and those of the same kind
// that go with them, such as the other object of a pair.
type input struct {
	changed, other []byte
	swap           bool // the changed one is the later of the two
	rng            *rand.Rand
}

// decide makes the choices of a trial depend on the input alone, so that a saved one
// can be tried again.
func (in *input) decide() {
	h := fnv.New64a()
	h.Write(in.changed)
	in.rng = rand.New(rand.NewPCG(h.Sum64(), uint64(in.size())))
}

// maxInput bounds an input, in bytes.
const maxInput = 4 << 20

func (in *input) size() int { return len(in.changed) + len(in.other) }

// inputOf makes an input, which its number and the seed decide.
func inputOf(opt *options, i uint64) (*kind, *input) {
	rng := rand.New(rand.NewPCG(opt.seed, i))
	list := kindsOf(opt)
	k := list[rng.IntN(len(list))]
	seeds := opt.cache.of(opt.seeds, k)
	base := seeds[rng.IntN(len(seeds))]
	in := &input{other: base.other, swap: rng.IntN(2) == 0}
	b := append([]byte(nil), base.data...)
	if in.swap && in.other != nil {
		b, in.other = append([]byte(nil), base.other...), base.data
	}
	in.changed = b
	if rng.IntN(soundEvery) > 0 {
		in.changed = k.mutate(rng, b)
	}
	in.changed = in.changed[:min(len(in.changed), maxInput)]
	in.decide()
	return k, in
}

// soundEvery is how often, on average, an input stays as it is: what becomes of a
// sound one is in the totals too.
const soundEvery = 50

// overMemory stands for an input that allocated more in total than may be held at
// once; whether it held that is found out in a process of its own.
const overMemory = "?"

// allocated is what this process has allocated so far, in bytes.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// try runs one input.
func try(k *kind, in *input) (outcome string) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "%s: panic: %v\n%s\n", k.name, r, debug.Stack())
			outcome = fmt.Sprint("PANIC ", r)
		}
	}()
	before := allocated()
	outcome = k.run(in)
	if !isFailure(outcome) && allocated()-before > testenv.Memory(in.size()) {
		return overMemory
	}
	return outcome
}

// saved writes an input into the folder for failures, and returns its name.
func saved(opt *options, k *kind, i uint64, in *input) string {
	name := filepath.Join(opt.save, fmt.Sprintf("%s-%d-%d", k.name, opt.seed, i))
	err := os.WriteFile(name, in.changed, 0o644)
	if err == nil && in.other != nil {
		err = os.WriteFile(name+".other", in.other, 0o644)
	}
	if err == nil && in.swap {
		err = os.WriteFile(name+".swap", nil, 0o644)
	}
	if err != nil {
		return err.Error()
	}
	return name
}

// alone tries an input in a process of its own, and looks at the memory that it
// took at its peak.
func alone(opt *options, k *kind, i uint64, in *input) string {
	name := saved(opt, k, i, in)
	cmd, err := self(opt, "-one="+name, "-kind="+k.name)
	if err != nil {
		return "BROKEN " + err.Error()
	}
	out, err := cmd.Output()
	if err != nil {
		return "CRASH alone: " + err.Error()
	}
	if peak := peakMemory(cmd.ProcessState); peak > testenv.Memory(in.size()) {
		return fmt.Sprintf("MEMORY %d bytes at the peak for %d bytes of input", peak, in.size())
	}
	for _, more := range []string{"", ".other", ".swap"} {
		os.Remove(name + more)
	}
	return strings.TrimSpace(string(out))
}

// tryOne tries a saved input.
func tryOne(opt *options) error {
	for _, k := range kinds {
		if k.name != opt.kind {
			continue
		}
		in := &input{}
		var err error
		if in.changed, err = os.ReadFile(opt.one); err != nil {
			return err
		}
		in.other, _ = os.ReadFile(opt.one + ".other")
		_, err = os.Stat(opt.one + ".swap")
		in.swap = err == nil
		in.decide()
		fmt.Println(k.run(in))
		return nil
	}
	return fmt.Errorf("no kind %q", opt.kind)
}
