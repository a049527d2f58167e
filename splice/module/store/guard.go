package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Step says how far an update has come in a boot.
type Step string

const (
	Planned Step = "planned" // it is to be loaded
	Loading Step = "loading" // it is being loaded, or was when the machine went down
	Active  Step = "active"  // it is loaded
	Over    Step = "over"    // it was refused, or turned back, and is not there
)

// An Activation is an update in a [Record].
type Activation struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Step   Step   `json:"step"`
}

// A Record is what is written down before updates are loaded.
type Record struct {
	Boot    string       `json:"boot"`   // ID of the boot
	Kernel  string       `json:"kernel"` // build-id
	Began   time.Time    `json:"began"`  // by the clock of the machine, which may be wrong at boot
	Updates []Activation `json:"updates"`
}

// A LeftOut is an update that is not loaded at boot any more.
type LeftOut struct {
	Name   string    `json:"name"`
	Digest string    `json:"digest"`
	Boot   string    `json:"boot"` // ID of the boot that failed
	Began  time.Time `json:"began"`
	Step   Step      `json:"step"` // how far it was
}

// A Guard is what the store knows of boots.
type Guard struct {
	Schema int `json:"schema"` // [Schema]
	// Record is of a boot that has not proved good; null when there is none.
	Record  *Record   `json:"record"`
	LeftOut []LeftOut `json:"left_out"`
}

const guardName = "guard.json"

func (s *Store) guard() (*Guard, error) {
	g := &Guard{}
	err := s.load(guardName, g)
	if missing(err) {
		return &Guard{Schema: Schema, LeftOut: []LeftOut{}}, nil
	}
	if err == nil && (g.Schema != Schema || g.LeftOut == nil || g.Record != nil && g.Record.Boot == "") {
		err = refuse(CodeDamaged, guardName, "it makes no sense")
	}
	return g, err
}

// settle judges the record of an earlier boot: what was active or in progress is left out. It
// returns that record, nil where there is none.
func (g *Guard) settle(m *Machine) *Record {
	r := g.Record
	if r == nil || r.Boot == m.Boot {
		return nil
	}
	for _, a := range r.Updates {
		if (a.Step == Loading || a.Step == Active) && g.leftOut(a.Digest) == nil {
			g.LeftOut = append(g.LeftOut, LeftOut{a.Name, a.Digest, r.Boot, r.Began, a.Step})
		}
	}
	g.Record = nil
	return r
}

func (g *Guard) leftOut(digest string) *LeftOut {
	for i := range g.LeftOut {
		if g.LeftOut[i].Digest == digest {
			return &g.LeftOut[i]
		}
	}
	return nil
}

// Good says that the machine has proved good: what was loaded in this boot is loaded in the next
// one too. It returns the names of what was loaded. A record of an earlier boot stays, as that one
// did not prove good.
func (s *Store) Good(ctx context.Context, m *Machine) (names []string, err error) {
	if m == nil {
		return nil, within("prove good", errNoMachine)
	}
	err = s.change(ctx, "prove good", func() error {
		g, err := s.guard()
		if err != nil || g.Record == nil || g.Record.Boot != m.Boot {
			return err
		}
		for _, a := range g.Record.Updates {
			if a.Step == Active {
				names = append(names, a.Name)
			}
		}
		g.Record = nil
		return s.save(guardName, g)
	})
	return names, err
}

// Allow has an update that was left out be loaded again from the next boot on, by its name, or by
// the beginning of its digest of 8 letters or more; "" is all. It returns their names.
func (s *Store) Allow(ctx context.Context, name string) (names []string, err error) {
	err = s.change(ctx, "allow", func() error {
		g, err := s.guard()
		if err != nil {
			return err
		}
		g.LeftOut = slices.DeleteFunc(g.LeftOut, func(l LeftOut) bool {
			hit := name == "" || l.Name == name || len(name) >= minPrefix && len(name) <= len(l.Digest) && l.Digest[:len(name)] == name
			if hit {
				names = append(names, l.Name)
			}
			return hit
		})
		if len(names) == 0 {
			return refuse(CodeNone, name, "no such update is left out")
		}
		return s.save(guardName, g)
	})
	return names, err
}

// step writes down how far an update is. An error is that nothing may be loaded.
func (s *Store) step(g *Guard, e *Entry, to Step) error {
	g.Record.find(e.Digest).Step = to
	return s.write(g)
}

func (s *Store) write(g *Guard) error {
	if err := s.save(guardName, g); err != nil {
		return refuseBy(err, CodeNotLoaded, guardName, "what is to be loaded can't be written down before")
	}
	return nil
}

// why says what became of an update that is left out.
func (l *LeftOut) why() string {
	did := "was active"
	if l.Step == Loading {
		did = "was being loaded"
	}
	return fmt.Sprintf("it %s in boot %.8s (%s), after which the machine did not prove good", did, l.Boot, l.Began.UTC().Format(time.DateTime))
}

// refusal is that of an update that is left out.
func (l *LeftOut) refusal() error { return refuse(CodeLeftOut, l.Name, "%s", l.why()) }
