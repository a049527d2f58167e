package ktree

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/gosplice/gosplice/internal/preproc"
)

// Unaffected says of objects why an overlay makes no code or data of them differ, "" where it
// may: in the order of the units. Their preprocessed texts are compared, which takes a fifth of
// the time of compiling them twice. What it says is kept.
//
// Debug information may differ, as may the numbers of local names. An object whose own source
// is in the overlay is not asked about, nor one with code for each line, as sanitizers make.
func (t *Tree) Unaffected(ctx context.Context, units []Unit, o Overlay) ([]string, error) {
	e, err := t.edition(o)
	if err != nil {
		return nil, err
	}
	why := make([]string, len(units))
	var ask []int
	for i := range units {
		if _, own := o[units[i].Source]; own || len(o) == 0 || instrumented.MatchString(units[i].Command) {
			continue
		}
		said, ok, err := t.keptSame(&units[i], e)
		if err != nil {
			return nil, err
		}
		if why[i] = said; !ok {
			ask = append(ask, i)
		}
	}
	count := t.spec.Progress.Begin("preprocess", len(ask))
	if len(ask) == 0 {
		return why, nil
	}
	c, err := t.compilation(ctx, e)
	if err != nil {
		return nil, err
	}
	err = t.each(ctx, len(ask), func(ctx context.Context, k int) (err error) {
		defer count.Done()
		why[ask[k]], err = c.same(ctx, &units[ask[k]], filepath.Join(c.out.dir, strconv.Itoa(k)))
		return err
	})
	return why, errors.Join(err, c.release())
}

// instrumented are options by which code depends on where it stands in its source, or on chance.
var instrumented = regexp.MustCompile(` (-fsanitize|-fplugin|--coverage|-ftest-coverage|-fprofile)`)

// same compares what the preprocessor makes of a unit in the tree and in the edition.
func (c *compilation) same(ctx context.Context, u *Unit, base string) (string, error) {
	pre, err := c.before(ctx, u, base+".pre")
	if err != nil || pre == nil {
		return "", err
	}
	post, err := c.preprocess(ctx, u, base+".post")
	if err != nil || post == nil {
		return "", err
	}
	text, err := os.ReadFile(base + ".post.d")
	if err != nil {
		return "", err
	}
	list, err := c.tree.embedded(c.dir, u, parseDeps(text))
	if err != nil {
		return "", err
	}
	said := ""
	if ok, why := bytes.Equal(pre, post), "the preprocessed text is the same"; path.Ext(u.Source) != ".c" || ok {
		if ok && !c.ed.embeds(list) {
			said = why
		}
	} else if ok, why := preproc.Same(pre, post); ok && !c.ed.embeds(list) {
		said = why
	}
	return said, c.tree.explain(c.tree.keepSame(u, c.ed, base, list, said))
}

// before returns what the preprocessor makes of a unit in the tree. It is kept, packed: many
// patches ask for it.
func (c *compilation) before(ctx context.Context, u *Unit, base string) ([]byte, error) {
	name := filepath.Join(c.tree.folder(u), digest([]byte(u.Command))+".i.zst")
	if packed, err := os.ReadFile(name); err == nil {
		if text, err := unpackText(packed); err == nil {
			return text, nil
		}
	}
	plain := &compilation{tree: c.tree, dir: c.tree.dir, out: c.out, locks: c.locks}
	text, err := plain.preprocess(ctx, u, base)
	if err != nil || text == nil {
		return nil, err
	}
	packed, err := packText(text)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return text, replaceFile(name, base+".zst", packed)
}

func packText(text []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	return w.EncodeAll(text, nil), w.Close()
}

// longestText is more than any source has behind the preprocessor, in bytes.
const longestText = 1 << 30

func unpackText(packed []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(longestText))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(packed, []byte{})
}

// embeds reports whether one of some files is in the edition, and no source of C or assembler:
// it may be taken as data.
func (e *edition) embeds(list []string) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		_, ok := e.digests[name]
		ext := path.Ext(name)
		return name == Everything || ok && ext != ".h" && ext != ".c" && ext != ".S"
	})
}

// preprocess returns what the preprocessor makes of a unit without places in the source, nil when it
// does not take it.
func (c *compilation) preprocess(ctx context.Context, u *Unit, base string) ([]byte, error) {
	cmd, err := redirect(u, c.dir, base+".i", base+".d")
	if err != nil {
		return nil, err
	}
	err = c.shell(ctx, u, strings.Replace(cmd, " -c -o ", " -E -P -o ", 1))
	var ce *CompileError
	if errors.As(err, &ce) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(base + ".i")
	if text == nil {
		text = []byte{}
	}
	return text, errors.Join(err, os.Remove(base+".i"))
}

// sameExt is how files end that keep what is said. It changes with what [preproc.Same] says.
const sameExt = ".same2"

// keepSame keeps what is said of an object in an edition, under the key that it would have.
func (t *Tree) keepSame(u *Unit, e *edition, tmp string, list []string, said string) error {
	dir := t.folder(u)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	deps := []byte(strings.Join(list, "\n"))
	return errors.Join(
		replaceFile(filepath.Join(dir, digest(deps)+".deps"), tmp+".list", deps),
		replaceFile(filepath.Join(dir, e.key(u, list)+sameExt), tmp+".same", []byte(said+"\n")),
	)
}

// keptSame is what was said of an object in an edition with the same contents.
func (t *Tree) keptSame(u *Unit, e *edition) (said string, ok bool, err error) {
	err = t.lists(u, func(list []string) (bool, error) {
		text, err := os.ReadFile(filepath.Join(t.folder(u), e.key(u, list)+sameExt))
		if err != nil {
			return false, ignoreMissing(err)
		}
		said, ok = strings.CutSuffix(string(text), "\n")
		return ok, nil
	})
	return said, ok, err
}
