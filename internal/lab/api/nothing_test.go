package api_test

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/explain"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/report"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/audit"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/bundle"
	"github.com/gosplice/gosplice/splice/module/lint"
	"github.com/gosplice/gosplice/splice/module/running"
	modulefixes "github.com/gosplice/gosplice/splice/module/running/fixes"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
	"github.com/gosplice/gosplice/splice/module/running/verify"
	"github.com/gosplice/gosplice/splice/module/store"
	"github.com/gosplice/gosplice/splice/process"
	"github.com/gosplice/gosplice/splice/process/machine"
	"github.com/gosplice/gosplice/splice/process/machine/fixes"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/program"
	sourcereport "github.com/gosplice/gosplice/splice/source/report"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// takers are the exported functions that take what others of the library return.
var takers = []any{
	elfdiff.Between, elfdiff.Compare, elfdiff.CompareContext, elfdiff.Extract, elfdiff.HasTypes, elfdiff.MemberAt, elfdiff.MemberPlaceAt, elfdiff.PositionsOf, elfdiff.Sides,
	report.HTML, report.JSON, report.NewPage, report.Text, finding.Accepted, finding.Refusals, listing.Of, listing.Write,
	reloc.Match, reloc.MatchAll, reloc.NewImage, reloc.NewSegments,
	image.NewELF, image.NewImage, image.NewSegments, audit.Kernel,
	splice.Belongs, splice.Build, splice.BuildContext, splice.Hot, splice.HotJump, splice.Jump, splice.Misaligned, splice.NewLinker, splice.NewNames, splice.Plan,
	process.Apply, process.Inspect, process.StatusOf, machine.Apply, machine.Verify, fixes.Check,
	module.Build, module.BuildContext, bundle.New, lint.Check, lint.Sealed,
	modulefixes.Check, modulefixes.Of, modulefixes.OfPair, foresee.Check, verify.Check,
	source.Modules, source.Names, source.NewObjectResult, source.Unfinished,
	object.New, object.IsCall, object.IsJump, object.IsShort, object.IsTypeHash, object.Tail, elfdiff.NewObject, elfobj.NewFile, elfobj.Parse,
	patch.NewTree, patch.Read, sourcereport.Read, lint.NewRunning, bundle.Read, running.ReadFile, module.OpenRunning, module.Read, module.Probe,
	elfobj.IsLabel, elfobj.StringEnd, listing.RowsOf, report.New, image.NewView, image.ReadModule, running.FileOf, process.ApplyAtExec,
	sourcereport.CountsText, sourcereport.FailureText, sourcereport.HTML, sourcereport.NewFailure, sourcereport.NewPage, sourcereport.NewTablePage,
	sourcereport.RowOf, sourcereport.RowText, sourcereport.TableText, sourcereport.Text,
	image.FileBuildID, image.NewRunning, splice.ReadUpdate,
}

// holders are zero values whose methods are called with nothing. What only an opener makes is not among them.
var holders = []any{
	&object.Object{}, &object.Atom{}, &object.Ref{}, &elfobj.Builder{}, &elfdiff.Diff{}, &elfdiff.Positions{}, &finding.Finding{}, &finding.Refusal{}, &finding.RefusedError{},
	&extract.Kept{}, &types.Change{}, &verdict.Change{}, &verdict.Reason{},
	&reloc.Result{}, &reloc.FuncResult{}, &reloc.Value{}, &image.Module{},
	&splice.Update{}, &splice.Linker{}, &splice.Refusal{}, &splice.Import{}, &splice.Report{},
	&module.Module{}, &bundle.Bundle{}, &running.Kernel{}, &running.File{},
	&patch.Tree{}, &patch.Patch{}, &sourcereport.Document{}, &source.Result{}, &process.Report{},
	&elfobj.File{}, &elfobj.Section{}, &elfobj.Symbol{}, &elfobj.Strings{}, &elfobj.FormatError{}, &elfobj.Spec{}, &elfobj.SpecError{},
	&elfobj.RelaTable{}, &splice.Linked{}, &sourcereport.Place{},
	&elfdiff.Aside{}, &explain.Pair{}, &extract.Extracted{}, &report.Folders{}, &report.Page{}, &types.Member{},
	&reloc.MismatchError{}, &reloc.Redirect{}, &audit.Finding{}, &image.AddrError{}, &image.Image{}, &image.View{}, &image.Samples{}, &image.Symbol{}, &image.Patch{},
	&splice.Names{}, &splice.Part{}, &splice.Segment{}, &splice.Trampoline{},
	&module.Affected{}, &module.AffectedError{}, &module.Generation{}, &module.Kernel{}, &module.Pin{}, &module.Target{}, &module.Tasks{},
	&lint.Finding{}, &lint.Kernel{}, &lint.Report{}, &running.StuckError{}, &running.Transition{}, &running.Watcher{},
	&modulefixes.Report{}, &foresee.Finding{}, &verify.Report{}, &store.Entry{}, &store.Listing{}, &store.Policy{}, &store.Report{}, &store.Store{},
	&process.BusyError{}, &process.Target{}, &process.View{}, &machine.Report{}, &machine.Selection{}, &fixes.Report{},
	&source.Builder{}, &source.ObjectResult{}, &distro.ForeignError{}, &distro.MissingError{}, &distro.NotServedError{},
	&patch.ApplyError{}, &patch.File{}, &patch.ReadError{}, &program.Builder{}, &sourcereport.Page{}, &sourcereport.Table{}, &trial.Bench{}, &trial.Session{},
}

// TestNothingHeld calls the methods of zero values: that
// is an error, or nothing, and no panic.
func TestNothingHeld(t *testing.T) {
	t.Chdir(t.TempDir()) // which a page of nothing is written to
	for _, h := range holders {
		v := reflect.ValueOf(h)
		for i := range v.NumMethod() {
			m := v.Type().Method(i)
			for n := range 1 << (m.Type.NumIn() - 1) {
				args, ok := arguments(v.Method(i).Type(), n)
				if !ok {
					continue
				}
				if problem := called(v.Method(i), args); problem != "" {
					t.Errorf("%s.%s, %b: %s", v.Type(), m.Name, n, problem)
				}
			}
		}
	}
}

// TestNothingGiven calls exported functions with nil, and with the zero values of what they take: that is an
// error, or nothing, and no panic.
func TestNothingGiven(t *testing.T) {
	for _, f := range takers {
		v := reflect.ValueOf(f)
		name := runtime.FuncForPC(v.Pointer()).Name()
		name = name[strings.LastIndex(name, "/")+1:]
		for n := range 1 << v.Type().NumIn() {
			args, ok := arguments(v.Type(), n)
			if !ok {
				continue
			}
			if problem := called(v, args); problem != "" {
				t.Errorf("%s, %b: %s", name, n, problem)
			}
		}
	}
}

// arguments returns nothing for each parameter: nil, or where n has a bit a zero value behind it.
func arguments(t reflect.Type, n int) (args []reflect.Value, ok bool) {
	for i := range t.NumIn() {
		in := t.In(i)
		full := n>>i&1 != 0
		v := reflect.Zero(in)
		switch {
		case in == reflect.TypeFor[context.Context]():
			if full {
				return nil, false
			}
			v = reflect.ValueOf(context.Background())
		case in == reflect.TypeFor[io.Writer]():
			v = reflect.ValueOf(io.Discard)
		case in == reflect.TypeFor[fmt.State](): // package fmt has one
			return nil, false
		case full && in.Kind() == reflect.Pointer:
			v = reflect.New(in.Elem())
		case full && in.Kind() == reflect.Slice:
			v = reflect.MakeSlice(in, 1, 1)
			if in.Elem().Kind() == reflect.Pointer && t.IsVariadic() && i == t.NumIn()-1 {
				v.Index(0).Set(reflect.New(in.Elem().Elem()))
			}
		case full:
			return nil, false
		}
		args = append(args, v)
	}
	return args, true
}

func called(f reflect.Value, args []reflect.Value) (problem string) {
	defer func() {
		if r := recover(); r != nil {
			problem = fmt.Sprint(r)
		}
	}()
	if f.Type().IsVariadic() {
		f.CallSlice(args)
	} else {
		f.Call(args)
	}
	return ""
}
