package main

import (
	"fmt"

	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice"
)

// inputs are the files that an update is made from.
func (c *command) inputs() []string { return append(append([]string{c.stored}, c.pre...), c.post...) }

// readUpdate reads a stored update.
func readUpdate(name string) (*splice.Update, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	u, err := splice.ReadUpdate(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return u, nil
}

// printCanonical prints what the ID of a stored update is the SHA-256 of.
func (c *command) printCanonical() error {
	u, err := readUpdate(c.canonical)
	if err != nil {
		return err
	}
	return u.WriteCanonical(c.out.Raw())
}

// store writes the update into a file, if it should.
func (c *command) store(u *splice.Update) error {
	if c.outFile == "" {
		return nil
	}
	return files.Write(c.outFile, u, c.inputs()...)
}
