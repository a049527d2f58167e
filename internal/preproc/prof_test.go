package preproc

import (
	"bytes"
	"os"
	"testing"
)

func BenchmarkReal(b *testing.B) {
	pre, err := os.ReadFile("/tmp/wt-tmp-i11/inode.i")
	if err != nil {
		b.Skip()
	}
	i := bytes.Index(pre, []byte("ext4_handle_valid"))
	j := i + bytes.Index(pre[i:], []byte("return 0;"))
	post := append(append(append([]byte{}, pre[:j]...), "return handle == (handle_t *)7UL;"...), pre[j+9:]...)
	b.SetBytes(int64(len(pre)))
	for b.Loop() {
		same, why := Same(pre, post)
		if same {
			b.Fatal(why)
		}
	}
}
