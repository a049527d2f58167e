package module_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// testEnforce signs updates for a kernel that enforces signatures. A stock kernel
// trusts its distribution and what the firmware has enrolled. Here an update of
// its own, loaded before, puts the certificate into the keyring, where one that
// was enrolled would be. It can't be undone, so that this test is the last.
func testEnforce(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	key, cert := newKey(t, 1)
	otherKey, otherCert := newKey(t, 2)
	plain := b.build(t, module.Options{Name: "fix_signed"}, greeting...)
	good, err := plain.Sign(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := plain.Sign(otherCert, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(good.Bytes())
	changed[bytes.Index(changed, []byte("nothing was patched"))] ^= 1
	damaged := bytes.Clone(good.Bytes())
	damaged[len(plain.Bytes())] ^= 0xff // of the PKCS#7
	load := func(what string, image []byte, want error) {
		t.Helper()
		err := m.Load(ctx, image, "")
		if want == nil && err == nil {
			err = errors.Join(settle(ctx, m, plain.Name), shows(ctx, m, "/proc/cmdline", "patched", true), unload(ctx, m, plain))
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if err := shows(ctx, m, "/proc/cmdline", "patched", false); err != nil {
			t.Error(err)
		}
	}
	load("unsigned, not enforced", plain.Bytes(), nil)
	load("unknown key, not enforced", good.Bytes(), nil) // it is understood, but the key is not there
	load("damaged signature, not enforced", damaged, syscall.EBADMSG)
	enroll(t, b, m, cert)
	if err := m.WriteFile(ctx, "/sys/module/module/parameters/sig_enforce", []byte("1")); err != nil {
		t.Fatal(err)
	}
	load("unsigned", plain.Bytes(), keyRejected)
	load("unknown key", unknown.Bytes(), keyRejected)
	load("another module's signature", changed, keyRejected)
	load("damaged signature", damaged, syscall.EBADMSG)
	load("signed", good.Bytes(), nil)
}

// keyRejected is what the guest's kernel answers, EKEYREJECTED of Linux (errno(3)),
// whatever this machine's numbers are.
const keyRejected = syscall.Errno(129)

func newKey(t *testing.T, serial int64) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "gosplice"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		SubjectKeyId: []byte{byte(serial), 2, 3, 4},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// enroll has the kernel put a certificate into the keyring that the loader asks.
func enroll(t *testing.T, b *bench, m *vm.Machine, cert *x509.Certificate) {
	t.Helper()
	if err := m.Put(t.Context(), "/cert.der", cert.Raw, 0o644); err != nil {
		t.Fatal(err)
	}
	mod := b.build(t, module.Options{Name: "enroll"}, change("fs/proc/version.c",
		"#include <linux/fs.h>", `#include <linux/fs.h>
#include <linux/key.h>
#include <linux/vmalloc.h>
#include <linux/kernel_read_file.h>
extern struct key *secondary_trusted_keys;`,
		"		utsname()->version);\n", `		utsname()->version);
	{
		void *der = NULL;
		ssize_t n = kernel_read_file_from_path("/cert.der", 0, &der, 1 << 16, NULL, READING_X509_CERTIFICATE);
		key_ref_t k = ERR_PTR(n);
		if (n > 0)
			k = key_create_or_update(make_key_ref(secondary_trusted_keys, 1), "asymmetric", NULL, der, n,
				(KEY_POS_ALL & ~KEY_POS_SETATTR) | KEY_USR_VIEW | KEY_USR_READ, KEY_ALLOC_NOT_IN_QUOTA | KEY_ALLOC_BYPASS_RESTRICTION);
		vfree(der);
		seq_printf(m, "enrolled %ld\n", IS_ERR(k) ? PTR_ERR(k) : 0);
	}
`)...)
	apply(t, m, mod)
	if err := errors.Join(shows(t.Context(), m, "/proc/version", "enrolled 0", true), unload(t.Context(), m, mod)); err != nil {
		t.Fatal(err)
	}
}
