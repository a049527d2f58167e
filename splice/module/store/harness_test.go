package store

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/internal/kofile/kofiletest"
	"github.com/gosplice/gosplice/splice/module/internal/signature"
	"github.com/gosplice/gosplice/splice/module/running"
)

// here is the machine of the tests, in its first boot.
var here = Machine{Kernel: "aabb", Release: "6.1.0-test", Boot: "11111111-first"}

// next is another boot of it.
func next(boot string) *Machine {
	m := here
	m.Boot = boot
	return &m
}

// A signer is a key with its certificate.
type testKey struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newKey(t testing.TB) *testKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// All have the same issuer and number: they differ in the key alone.
	c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "store"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &testKey{key, c}
}

// accepted is the key as a policy has it.
func (k *testKey) accepted(name string) Key {
	return Key{name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.cert.Raw}))}
}

// sign puts a signature behind a file.
func (k *testKey) sign(t testing.TB, file []byte) []byte {
	t.Helper()
	b, err := signature.Append(file, k.cert, k.key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// update is the file of a livepatch.
func update(t testing.TB, name, release string, replace bool) []byte {
	t.Helper()
	p := kofile.Patch{Replace: replace, Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "show_" + name}}}}}
	b, err := kofiletest.Plain(name, p, "vermagic="+release+" SMP mod_unload ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newStore has a store whose policy accepts a key.
func newStore(t testing.TB, mode Mode) (*Store, string, *testKey) {
	t.Helper()
	dir := t.TempDir() + "/store"
	s, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	k := newKey(t)
	set(t, s, func(p *Policy) { p.Mode, p.Keys = mode, []Key{k.accepted("release")} })
	return s, dir, k
}

func set(t testing.TB, s *Store, change func(*Policy)) {
	t.Helper()
	if _, err := s.SetPolicy(t.Context(), func(p *Policy) error { change(p); return nil }); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, s *Store, file []byte) *Entry {
	t.Helper()
	e, err := s.Add(t.Context(), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantCode wants an error with a code, nil for "".
func wantCode(t testing.TB, what string, err error, code splice.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !errors.Is(err, code) {
		t.Errorf("%s: %v, want %q", what, err, code)
	}
}

// kernel is one that takes what it is given.
type kernel struct {
	list    []splice.Report
	tried   []string
	refuses map[string]error // by name
	during  func(name string)
}

func (k *kernel) Load(ctx context.Context, f *running.File, o running.Options) (*splice.Report, error) {
	k.tried = append(k.tried, f.Name)
	if k.during != nil {
		k.during(f.Name)
	}
	if _, ok := ctx.Deadline(); !ok {
		return nil, errors.New("it has no limit")
	}
	if o.Progress != nil {
		o.Progress(&running.Transition{Name: f.Name})
	}
	if err := k.refuses[f.Name]; err != nil {
		return nil, err
	}
	k.list = append(k.list, splice.Report{Name: f.Name, State: splice.Applied})
	return &k.list[len(k.list)-1], nil
}

func (k *kernel) All(context.Context) ([]splice.Report, error) { return k.list, nil }

// names lists what the kernel has.
func (k *kernel) names() (out []string) {
	for i := range k.list {
		out = append(out, k.list[i].Name)
	}
	return out
}

// boot boots, and wants names loaded, in their order.
func boot(t *testing.T, s *Store, m *Machine, want ...string) (*kernel, *Report) {
	t.Helper()
	k := &kernel{}
	r, err := s.Boot(t.Context(), k, m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(k.names(), want) {
		t.Errorf("boot %s loads %q, want %q: %+v", m.Boot, k.names(), want, r.Updates)
	}
	return k, r
}

// dids are the words of a report.
func (r *Report) dids() (out []Did) {
	for i := range r.Updates {
		out = append(out, r.Updates[i].Did)
	}
	return out
}
