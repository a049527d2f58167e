package report

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// trialWord is what a trial came to.
func trialWord(d *Document) string {
	switch {
	case d.Trial == nil:
		return ""
	case d.Trial.OK:
		return TrialPassed
	}
	return TrialFailed
}

// trialTrouble is the first thing that went wrong in a trial, "" when nothing did.
func trialTrouble(t *trial.Report) string {
	switch {
	case t == nil:
	case len(t.Failures) > 0:
		return "trial: " + t.Failures[0].Stage + ": " + firstLine(t.Failures[0].Text)
	case len(t.Findings) > 0:
		return "trial: the log has " + t.Findings[0].Rule + ": " + firstLine(t.Findings[0].Text)
	}
	return ""
}

// trialText says what a trial showed, in one sentence.
func trialText(t *trial.Report) string {
	live, away := 0, 0
	for i := range t.Functions {
		switch t.Functions[i].State {
		case trial.Live:
			live++
		case trial.NotLoaded:
			away++
		}
	}
	text := fmt.Sprintf("booted %s, and loaded it: %d of %s live", t.Kernel, live, count(len(t.Functions), "function"))
	if away > 0 {
		text += fmt.Sprintf(", %d of modules that are not loaded", away)
	}
	switch {
	case !t.OK:
		return text + fmt.Sprintf("; %s, %s in the log", count(len(t.Failures), "failure"), count(len(t.Findings), "finding"))
	case t.Pinned:
		return text + "; disabled; it stays loaded, as it is to; the log is clean"
	}
	return text + "; disabled and unloaded; the log is clean"
}

// trial writes what a trial showed.
func (p *printer) trial(t *trial.Report) {
	if t == nil {
		return
	}
	word, style := "tried", visible.Green
	if !t.OK {
		word, style = "the trial failed", visible.Red
	}
	p.line("  %s: %s", p.pen.Paint(style, word), visible.Text(trialText(t)))
	for _, x := range t.Exercises {
		p.line("    exercise %s: status %d, %s", visible.Text(x.Phase), x.Status, short(x.Elapsed))
		if out := strings.TrimSpace(x.Output); out != "" {
			p.line("      %s", visible.Text(lastLine(out)))
		}
	}
	for _, x := range t.Failures {
		p.line("    %s: %s", visible.Text(x.Stage), visible.Text(x.Text))
	}
	for _, x := range t.Findings {
		p.line("    the log has %s: %s", visible.Text(x.Rule), visible.Text(firstLine(x.Text)))
	}
	for _, note := range t.Notes {
		p.line("    %s", visible.Text(note))
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// trialView is what a page shows of a trial.
type trialView struct {
	badge
	Functions table[changeView]
	Failures  []fact // with what the log has
	Exercises []fact
	Notes     []string
	Console   []string
}

func trialOf(t *trial.Report) *trialView {
	if t == nil {
		return nil
	}
	v := &trialView{badge: badge{"carried", TrialPassed, web.Text(trialText(t))}, Notes: texts(t.Notes)}
	if !t.OK {
		v.Class, v.Word = "refused", TrialFailed
	}
	for i := range t.Functions {
		f := &t.Functions[i]
		v.Functions.add(changeView{web.Name(f.Name), web.Name(target(f.Module)), web.Name(f.State), web.Text(f.Why)})
	}
	for _, x := range t.Failures {
		v.Failures = append(v.Failures, fact{web.Name(x.Stage), web.Text(x.Text)})
	}
	for _, x := range t.Findings {
		v.Failures = append(v.Failures, fact{web.Name("log: " + x.Rule), web.Text(x.Text)})
	}
	for _, x := range t.Exercises {
		v.Exercises = append(v.Exercises, fact{web.Name("exercise " + x.Phase), fmt.Sprintf("status %d: %s", x.Status, web.Text(strings.TrimSpace(x.Output)))})
	}
	if t.Console != "" {
		for line := range strings.Lines(t.Console) {
			v.Console = append(v.Console, web.Text(strings.TrimRight(line, "\r\n")))
		}
	}
	return v
}
