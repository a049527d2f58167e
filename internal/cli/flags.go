package cli

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// Flags are the flags of a tool. Their usage is that of package flag: a word in
// backquotes is what a value is called.
type Flags struct {
	*flag.FlagSet
	tool    *Tool
	version bool
}

// Flags returns flags for the tool, with those that all tools have.
func (t *Tool) Flags() *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(t.Name, flag.ContinueOnError), tool: t}
	f.SetOutput(io.Discard)
	f.BoolVar(&f.version, "version", false, "print the version")
	return f
}

// Parse parses the flags. What it returns is for [Tool.Main]: also when help, or
// the version, is asked for.
func (f *Flags) Parse(args []string) error {
	if err := f.FlagSet.Parse(args); err != nil {
		return &usageError{f, err}
	}
	if f.version {
		return errVersion
	}
	return nil
}

// Wrong returns the error for flags or arguments that make no sense.
func (f *Flags) Wrong(format string, args ...any) error {
	return &usageError{f, fmt.Errorf(format, args...)}
}

// JSON is the flag -json, which all tools have.
func (f *Flags) JSON(v *bool) {
	f.BoolVar(v, "json", false, "print one JSON object, with the version of its form")
}

// DryRun is the flag -dry-run.
func (f *Flags) DryRun(v *bool, usage string) { f.BoolVar(v, "dry-run", false, usage) }

// InPlace is the flag -in-place.
func (f *Flags) InPlace(v *bool) {
	f.BoolVar(v, "in-place", false, "have changed constants of the same size overwritten")
}

// Initials is the flag -initials.
func (f *Flags) Initials(v *bool) {
	f.BoolVar(v, "initials", false, "have members of variables set whose initial value differs, where they still hold the old one")
}

// Probes is the flag -probes.
func (f *Flags) Probes(v *bool) {
	f.BoolVar(v, "probes", false, "allow several functions that only a kprobe can take over, which do not depend on each other")
}

// Accept is the flag -accept, which may be repeated.
func (f *Flags) Accept(list *[]finding.Acceptance) {
	f.Func("accept", "take responsibility for what needs a person's judgement, by the `CODE,...` shown; CODE:SYMBOL for what is about one symbol; =REASON behind them is kept with it", Accept(list))
}

// List is a flag that may be repeated.
func (f *Flags) List(list *[]string, name, usage string) {
	f.Func(name, usage+"; may be repeated", func(s string) error {
		*list = append(*list, s)
		return nil
	})
}

// Columns of the usage.
const (
	usageColumn = 18
	usageWidth  = 80
)

// usage is what -h prints.
func (f *Flags) usage() string {
	var b strings.Builder
	for i, form := range f.tool.Forms {
		word := "usage:"
		if i > 0 {
			word = "      "
		}
		fmt.Fprintln(&b, strings.TrimRight(word+" "+f.tool.Name+" "+form, " "))
	}
	fmt.Fprintf(&b, "\n%s\n\n", f.tool.About)
	f.VisitAll(func(x *flag.Flag) { writeFlag(&b, x) })
	fmt.Fprintf(&b, "\nExit status: %s; %d usage.\n", f.tool.Statuses, ExitUsage)
	return b.String()
}

// writeFlag writes one flag: its name, and beside that what it does.
func writeFlag(b *strings.Builder, x *flag.Flag) {
	value, text := flag.UnquoteUsage(x)
	head := strings.TrimSpace("-" + x.Name + " " + value)
	if x.DefValue != "" && x.DefValue != "false" && x.DefValue != "0" && x.DefValue != "0s" {
		text += fmt.Sprintf(" (%s unless given)", x.DefValue)
	}
	column := 0
	if utf8.RuneCountInString(head) >= usageColumn {
		fmt.Fprintf(b, "  %s\n", head)
		head = ""
	}
	fmt.Fprintf(b, "  %-*s", usageColumn, head)
	column = usageColumn + 2
	for i, word := range strings.Fields(text) {
		if i > 0 && column+1+len(word) > usageWidth {
			fmt.Fprintf(b, "\n  %*s", usageColumn, "")
			column = usageColumn + 2
		} else if i > 0 {
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteString("\n")
}
