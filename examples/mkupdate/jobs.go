package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/cli"
)

// splitPath cuts a path before its last part; the folder is "" for none.
func splitPath(path string) (dir, base string) {
	dir, base = filepath.Split(path)
	return filepath.Clean(dir + "."), base
}

// absolute are the flags whose values are paths, and how these are made good for any folder.
var absolute = map[string]func(string) (string, error){
	"src": filepath.Abs, "config": filepath.Abs, "run": filepath.Abs, "modules": filepath.Abs, "boot": filepath.Abs, "symvers": filepath.Abs,
	"objtool": filepath.Abs, "buildroot": absoluteFolder, "cache": filepath.Abs, "series": filepath.Abs, "exercise": filepath.Abs,
	"extra-symvers": filepath.Abs, "bundle": filepath.Abs, "out": filepath.Abs, "key": filepath.Abs, "cert": filepath.Abs,
	"module": func(s string) (string, error) {
		file, dir, ok := strings.Cut(s, "=")
		file, err := filepath.Abs(file)
		if err != nil || !ok {
			return file, err
		}
		dir, err = filepath.Abs(dir)
		return file + "=" + dir, err
	},
}

// absoluteFolder is filepath.Abs for a folder; what is none is the name of a release.
func absoluteFolder(s string) (string, error) {
	if st, err := os.Stat(s); err != nil || !st.IsDir() {
		return s, nil
	}
	return filepath.Abs(s)
}

// printJobs prints a command for each patch, which any machine can run that has the same
// files: all keep what they make in one cache, and leave modules and reports in one folder.
func printJobs(opt *options, stdout *cli.Output) (int, error) {
	patches, err := opt.patches()
	if err != nil {
		return exitError, err
	}
	words, err := opt.jobWords()
	if err != nil {
		return exitError, err
	}
	var inputs []string
	for _, a := range opt.args {
		path, err := filepath.Abs(a)
		if err != nil {
			return exitError, err
		}
		inputs = append(inputs, path)
	}
	for i := range patches {
		job := append(append([]string{}, words...), "-only", fmt.Sprint(i+1))
		if len(inputs) > 0 {
			job = append(append(job, "--"), inputs...)
		}
		if _, err := io.WriteString(stdout, child.Quote(job...)+"\n"); err != nil {
			return exitError, err
		}
	}
	return exitMade, nil
}

// jobWords are the words that all jobs begin with: this program, and the flags as they were
// given, with absolute paths, a cache and a folder.
func (o *options) jobWords() ([]string, error) {
	program := os.Args[0]
	if strings.ContainsRune(program, filepath.Separator) { // not found by PATH
		var err error
		if program, err = filepath.Abs(program); err != nil {
			return nil, err
		}
	}
	words := []string{program}
	seen := map[string]bool{}
	for rest := o.given; len(rest) > 0; {
		name, value, ok := strings.Cut(strings.TrimLeft(rest[0], "-"), "=")
		rest = rest[1:]
		if name == "" { // --
			break
		}
		single, isBool := o.flags.Lookup(name).Value.(interface{ IsBoolFlag() bool })
		if !ok && !(isBool && single.IsBoolFlag()) {
			value, rest = rest[0], rest[1:]
			ok = true
		}
		if name == "jobs" || name == "json" {
			continue
		}
		word, err := jobFlag(name, value, ok)
		if err != nil {
			return nil, err
		}
		seen[name] = true
		words = append(words, word)
	}
	if !seen["each"] {
		words = append(words, "-each")
	}
	if !seen["out"] {
		dir, err := filepath.Abs(".")
		if err != nil {
			return nil, err
		}
		words = append(words, "-out="+dir)
	}
	return words, nil
}

// jobFlag is a flag as one word.
func jobFlag(name, value string, has bool) (string, error) {
	if !has {
		return "-" + name, nil
	}
	if abs := absolute[name]; abs != nil {
		var err error
		if value, err = abs(value); err != nil {
			return "", err
		}
	}
	return "-" + name + "=" + value, nil
}
