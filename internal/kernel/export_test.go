package kernel

// DebugLayout is [Image.Layout] by debug information, where there is BTF too. lacks counts what
// is missing.
func (k *Image) DebugLayout() (l Layout, lacks int, err error) {
	l, list, err := k.debugLayout()
	return l, len(list), err
}
