package symname

import "testing"

func TestClosureOf(t *testing.T) {
	for _, c := range []struct {
		name, id string
		depth    int
	}{
		{"_ZZ5entryENKUllE_clEl", "UllE_", 1},
		{"_ZZ5entryENKUllE12_clEl", "UllE12_", 1},
		{"_ZNSt17_Function_handlerIFllEZ5entryE3$_0E9_M_invokeERKSt9_Any_dataOl", "$_0", 1},
		{"_ZZ4keepIZ1flllEUlvE_EvT_ENUlPvE_4_FUNES1_", "UlPvE_", 2},
		{"_ZZ1fvENKUlRKSt6vectorIlSaIlEEE_clES3_", "UlRKSt6vectorIlSaIlEEE_", 1},
		{"_ZN3one3two28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE", "_ZN3one3two28_$u7b$$u7b$closure$u7d$$u7d$", 1},
		{"_Z5plainl", "", 0},
		{"plain_Ul_E_", "", 0},
	} {
		if id, depth := ClosureOf(c.name); id != c.id || depth != c.depth {
			t.Errorf("%s: %q, %d", c.name, id, depth)
		}
	}
}

func TestIsCoroutine(t *testing.T) {
	for name, want := range map[string]bool{
		"_Z3genPZL3genlE14_ZL3genl.Frame.actor": true, "_ZL3genl.resume": true, "_ZL3genl": false, "_ZL3genl.destroy": false,
		"disk.resume": false,
	} {
		if IsCoroutine(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}
