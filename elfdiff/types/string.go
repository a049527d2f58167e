package types

import "fmt"

// maxMembersShown bounds a line.
const maxMembersShown = 8

// memberText says what happened to a member.
func (t *Change) memberText(m *MemberChange) string {
	switch t.Kind {
	case EnumChanged, ConstantChanged:
		return m.constantText()
	case SignatureChanged:
		return m.parameterText()
	}
	return m.text()
}

func (m *MemberChange) constantText() string {
	switch m.What {
	case MemberAdded:
		return fmt.Sprintf("%s = %d added", m.Post.Name, m.Post.Value)
	case MemberRemoved:
		return fmt.Sprintf("%s = %d removed", m.Pre.Name, m.Pre.Value)
	case MemberRenamed:
		return fmt.Sprintf("%s renamed to %s", m.Pre.Name, m.Post.Name)
	}
	return fmt.Sprintf("%s %d -> %d", m.Post.Name, m.Pre.Value, m.Post.Value)
}

func (m *MemberChange) parameterText() string {
	switch m.What {
	case MemberAdded:
		return fmt.Sprintf("%s added: %s", m.Post.Name, m.Post.Type)
	case MemberRemoved:
		return fmt.Sprintf("%s removed: %s", m.Pre.Name, m.Pre.Type)
	case MemberMoved:
		return m.Post.Name + " in another place"
	}
	return fmt.Sprintf("%s: %s -> %s", m.Post.Name, m.Pre.Type, m.Post.Type)
}

func (m *MemberChange) text() string {
	switch m.What {
	case MemberAdded:
		return fmt.Sprintf("%s added at %s", m.Post.Name, m.Post.Place())
	case MemberRemoved:
		return fmt.Sprintf("%s removed from %s", m.Pre.Name, m.Pre.Place())
	case MemberRenamed:
		return fmt.Sprintf("%s renamed to %s", m.Pre.Name, m.Post.Name)
	case MemberMoved:
		return fmt.Sprintf("%s moved from %s to %s", m.Post.Name, m.Pre.Place(), m.Post.Place())
	}
	s := fmt.Sprintf("%s: %s -> %s", m.Post.Name, m.Pre.Type, m.Post.Type)
	if m.Pre.Place() != m.Post.Place() {
		s += fmt.Sprintf(", moved from %s to %s", m.Pre.Place(), m.Post.Place())
	}
	return s
}
