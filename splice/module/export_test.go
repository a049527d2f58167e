package module

import "context"

// BuildPlain is [BuildContext] as if the kernel had no livepatch.
func BuildPlain(ctx context.Context, k *Kernel, opt Options, pairs ...Pair) (*Module, error) {
	b, err := newBuilder(k, opt)
	if err != nil {
		return nil, err
	}
	b.plain = true
	return b.build(ctx, pairs)
}
