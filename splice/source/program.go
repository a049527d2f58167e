package source

import (
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice"
)

// A Program is one build of a program or a library, and the update of it.
type Program struct {
	Name    string `json:"name"` // of what the build calls it, or else of its file: redis-server, libz.so.1.2.13
	Path    string `json:"path"`
	BuildID string `json:"build_id"` // hexadecimal
	Package string `json:"package"`  // of the distribution, with its version; "" when that is not known
	// Built is what the build made that it is a copy of, and By says what tells.
	Built string   `json:"built"`
	By    Evidence `json:"by"`
	// Objects are those of it that were compared.
	Objects []string `json:"objects"`
	// Functions is how many functions these have, and Matched how many were found in the file, byte by
	// byte.
	Functions int `json:"functions"`
	Matched   int `json:"matched"`
	// Replaces are the functions that the update replaces.
	Replaces []Replaced `json:"replaces"`
	// ID is that of the update, "" when there is none, and Refusals say why.
	ID       string             `json:"id"`
	Refusals []*finding.Refusal `json:"refusals"`
	// Update is the update, nil when there is none; in JSON it is a file of its own.
	Update *splice.Update `json:"-"`
}

// Replaced is a function of a program that an update replaces.
type Replaced struct {
	Function string `json:"function"`
	Object   string `json:"object"`
	Address  uint64 `json:"address"` // in the file, as it is linked
	Size     int    `json:"size"`    // bytes that were verified, of its body and its cold part
	By       string `json:"by"`      // what singled it out
}

// Evidence says what tells which file of a build an installed file is a copy of.
type Evidence string

// The evidence, from what is most certain.
const (
	ByBuildID Evidence = "build-id" // the linker's digest of all of it is the same
	ByCode    Evidence = "code"     // the section of its code is the same, byte by byte
	ByName    Evidence = "name"     // it is called the same
	ByMatch   Evidence = "match"    // objects of the build were found in it
)
