package visible

// A Style is a look of text on a terminal, as SGR parameters (ECMA-48, section
// 8.3.117).
type Style string

// The styles.
const (
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Esc begins a sequence that a terminal obeys (ECMA-48, section 5.4).
const Esc = "\x1b"

// A Pen writes text in styles, or as it is where there is no colour.
type Pen struct {
	Color  bool
	Escape string // what a style begins with
}

// Paint returns the text, which is one line, in a style. Line feeds in it are made
// visible, since they may be in a name.
func (p Pen) Paint(s Style, text string) string {
	text = Text(text)
	if !p.Color || text == "" {
		return text
	}
	return p.Escape + "[" + string(s) + "m" + text + p.Escape + "[0m"
}
