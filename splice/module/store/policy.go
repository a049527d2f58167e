package store

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/splice"
)

// Schema is the version of the JSON of everything here. Keys may be added to a version of what
// is printed; files of the store have those of their version only.
const Schema = 1

// Mode says how updates for one kernel go together.
type Mode string

const (
	Stacked    Mode = "stacked"    // all of them are loaded, in their order
	Cumulative Mode = "cumulative" // the last one is loaded alone: each has what was before it
)

// Signatures says whether updates are signed.
type Signatures string

const (
	Required Signatures = "required" // by an accepted key, or the update is refused
	Optional Signatures = "optional" // what has none, or the one in its file is by another key, is taken as well
)

// A Policy says what the store takes and loads. Without the file, it is that of [DefaultPolicy].
type Policy struct {
	Schema     int        `json:"schema"` // [Schema]
	Signatures Signatures `json:"signatures"`
	Mode       Mode       `json:"mode"`
	// Seconds is how long a transition may take at boot before it is turned back.
	Seconds int   `json:"seconds"`
	Keys    []Key `json:"keys"`
}

// A Key is one whose signatures are accepted.
type Key struct {
	Name        string `json:"name"`        // for people; no two have the same
	Certificate string `json:"certificate"` // X.509, as PEM
}

// maxSeconds bounds the time at boot for one update.
const maxSeconds = 3600

// DefaultPolicy has signatures required, and no key yet: it takes nothing.
func DefaultPolicy() Policy {
	return Policy{Schema: Schema, Signatures: Required, Mode: Stacked, Seconds: 60, Keys: []Key{}}
}

// Limit is how long a transition may take at boot.
func (p *Policy) Limit() time.Duration { return time.Duration(p.Seconds) * time.Second }

// Refuse takes the key with a name out, and reports whether there was one.
func (p *Policy) Refuse(name string) bool {
	n := len(p.Keys)
	p.Keys = slices.DeleteFunc(p.Keys, func(k Key) bool { return k.Name == name })
	return len(p.Keys) < n
}

// Check says what makes no sense in a policy.
func (p *Policy) Check() error {
	switch {
	case p.Schema != Schema:
		return fmt.Errorf("its version is %d, and not %d", p.Schema, Schema)
	case p.Signatures != Required && p.Signatures != Optional:
		return fmt.Errorf("signatures are %s or %s, and not %.40q", Required, Optional, p.Signatures)
	case p.Mode != Stacked && p.Mode != Cumulative:
		return fmt.Errorf("the mode is %s or %s, and not %.40q", Stacked, Cumulative, p.Mode)
	case p.Seconds < 1 || p.Seconds > maxSeconds:
		return fmt.Errorf("a transition has 1 to %d seconds, and not %d", maxSeconds, p.Seconds)
	}
	names := map[string]bool{}
	for i := range p.Keys {
		k := &p.Keys[i]
		if k.Name == "" || names[k.Name] {
			return fmt.Errorf("a key has a name of its own, and not %.40q", k.Name)
		}
		names[k.Name] = true
		if _, err := k.parse(); err != nil {
			return fmt.Errorf("key %.40q: %w", k.Name, err)
		}
	}
	return nil
}

// parse reads the certificate.
func (k *Key) parse() (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(k.Certificate))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("it is not one certificate as PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

const policyName = "policy.json"

func (s *Store) policy() (*Policy, error) {
	p := &Policy{}
	err := s.load(policyName, p)
	if errors.Is(err, fs.ErrNotExist) {
		*p = DefaultPolicy()
		return p, nil
	}
	if err == nil {
		if wrong := p.Check(); wrong != nil {
			err = refuseBy(wrong, CodeDamaged, policyName, "it makes no sense")
		}
	}
	return p, err
}

// mayJoin refuses an update that the mode has no place for.
func (p *Policy) mayJoin(e *Entry) *splice.Refusal {
	if p.Mode == Cumulative && !e.Cumulative {
		return refuse(CodeNotCumulative, e.Name, "the policy is %s, and it does not take the place of the others", p.Mode)
	}
	return nil
}
