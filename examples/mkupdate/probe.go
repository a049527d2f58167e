package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/module"
)

// probe prints what is found of a kernel. The status is that of a refusal where a module
// can't be made for it.
func probe(ctx context.Context, opt *options, stdout *cli.Output) (int, error) {
	g, err := module.Probe(ctx, opt.kernel.probe)
	if err != nil {
		return exitError, err
	}
	status := exitMade
	unknown := g.Err()
	if unknown != nil {
		status = exitRefused
	}
	if opt.out.json {
		return status, cli.WriteJSON(stdout, g)
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	for _, x := range [][2]string{{"kernel", g.Banner}, {"vermagic", g.Magic}, {"build-id", g.BuildID}} {
		fmt.Fprintf(w, "%s\t%s\n", x[0], x[1])
	}
	for i := range g.Facts {
		f := &g.Facts[i]
		as := "not known"
		if f.Known {
			as = "known"
			if f.Versions != "" {
				as += ": " + f.Versions
			}
		}
		fmt.Fprintf(w, "%s\t%s [%s]\n", f.Name, f.Value, as)
	}
	for _, t := range g.Traits {
		fmt.Fprintf(w, "%s\t%s\n", t.Name, t.Value)
	}
	if err := w.Flush(); err != nil {
		return exitError, err
	}
	if unknown == nil {
		_, err = fmt.Fprintln(stdout, "\nof a generation that is known")
		return status, err
	}
	fmt.Fprintln(stdout, "\nof a generation that is not known:")
	for i := range g.Facts {
		if f := &g.Facts[i]; !f.Known {
			fmt.Fprintf(stdout, "  %s: %s\n    known: %s\n    to add: %s\n", f.Name, f.Value, strings.Join(f.Forms, "\n           "), f.Where)
		}
	}
	return status, nil
}
