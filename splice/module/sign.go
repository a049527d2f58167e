package module

import (
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/gosplice/gosplice/splice/module/internal/signature"
)

// Sign returns the module with a signature behind it, as the kernel's own
// scripts/sign-file makes it: PKCS#7, detached, SHA-256, without attributes and
// without the certificate, which the kernel has to have in one of its keyrings.
// The key is of RSA or ECDSA, and belongs to the certificate. With keys that are
// in memory the same input gives the same bytes.
//
// The module itself is not changed, and its ID is that of what is signed.
func (m *Module) Sign(cert *x509.Certificate, key crypto.Signer) (*Module, error) {
	signed, err := signature.Append(m.image, cert, key)
	if err != nil {
		return nil, fmt.Errorf("sign module %s: %w", m.Name, err)
	}
	out := *m
	out.Signed, out.image = true, signed
	return &out, nil
}
