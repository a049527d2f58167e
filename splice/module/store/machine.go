package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/splice/module/running"
)

// A Machine is what has to be known of the one that runs.
type Machine struct {
	Kernel  string // build-id of the kernel, hexadecimal
	Release string // of the kernel, as uname -r prints it
	Boot    string // ID of this boot (random(4), boot_id)
	Off     bool   // the kernel's command line says that nothing is loaded
}

// parameter is the word of the kernel's command line; of several the last one counts.
const (
	parameter = "gosplice="
	off       = "off"
)

// MachineOf asks the machine, by proc and sys below a folder, which is "/" on the machine itself.
func MachineOf(root string) (*Machine, error) {
	m := &Machine{}
	texts := map[string]string{"proc/sys/kernel/random/boot_id": "", "proc/sys/kernel/osrelease": "", "proc/cmdline": ""}
	for name := range texts {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("ask the machine: %w", err)
		}
		texts[name] = strings.TrimSpace(string(b))
	}
	m.Boot, m.Release = texts["proc/sys/kernel/random/boot_id"], texts["proc/sys/kernel/osrelease"]
	for word := range strings.FieldsSeq(texts["proc/cmdline"]) {
		if value, ok := strings.CutPrefix(word, parameter); ok {
			m.Off = value == off
		}
	}
	var err error
	if m.Kernel, err = (&running.Kernel{Root: root}).BuildID(); err != nil {
		return nil, fmt.Errorf("ask the machine: %w", err)
	}
	return m, nil
}
