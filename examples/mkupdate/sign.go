package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/gosplice/gosplice/splice/module"
)

// openSigner reads key and certificate, before anything takes long.
func openSigner(opt *options) (func(*module.Module) (*module.Module, error), error) {
	if opt.out.key == "" {
		return func(m *module.Module) (*module.Module, error) { return m, nil }, nil
	}
	key, err := readKey(opt.out.key)
	if err != nil {
		return nil, fmt.Errorf("-key %s: %w", opt.out.key, err)
	}
	b, err := os.ReadFile(opt.out.cert)
	if err != nil {
		return nil, fmt.Errorf("-cert: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	cert, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, fmt.Errorf("-cert %s: %w", opt.out.cert, err)
	}
	return func(m *module.Module) (*module.Module, error) { return m.Sign(cert, key) }, nil
}

// readKey reads the first private key of a PEM file.
func readKey(path string) (crypto.Signer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, errors.New("no private key in it that is not encrypted")
		}
		var key any
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			continue // a certificate, parameters
		}
		if err != nil {
			return nil, err
		}
		s, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("%T does not sign", key)
		}
		return s, nil
	}
}
