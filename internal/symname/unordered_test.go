package symname

import "testing"

func TestUnordered(t *testing.T) {
	for name, want := range map[string]string{
		"f":                            "f",
		"x.12":                         "x.12",
		"_Z1fv":                        "_Z1fv",
		"_ZN1A1fElE1s_0":               "_ZN1A1fElE1s_0",
		"_ZZ4makelENKUllE_clEl":        "_ZZ4makelENKUllE_clEl",
		"_ZZ4makelENKUllE0_clEl":       "_ZZ4makelENKUllE_clEl",
		"_ZZ4makelENKUllE12_clEl":      "_ZZ4makelENKUllE_clEl",
		"_ZZZ5entryENKUllE0_clElE1s":   "_ZZZ5entryENKUllE_clElE1s",
		"_Z3setIZ4makelEUllE0_EvR1HT_": "_Z3setIZ4makelEUllE_EvR1HT_",
		"_ZZ4makelEN4$_108__invokeEl":  "_ZZ4makelEN$_8__invokeEl",
		"_ZZ5entryENK3$_0clEl":         "_ZZ5entryENK$_clEl",
		"_ZZ5entryE1s":                 "_ZZ5entryE1s",
		"_ZZ5entryE1s_0":               "_ZZ5entryE1s",
		"_ZGVZ5entryE1s_9":             "_ZGVZ5entryE1s",
		"_ZZ5entryE1s__10_":            "_ZZ5entryE1s",
		"_ZTVZ4makelE1L_0":             "_ZTVZ4makelE1L",
		"_ZZ4makelEN1L1fE_0l":          "_ZZ4makelEN1L1fEl",
		"_ZZ4makelENUllE_4_FUNEl":      "_ZZ4makelENUllE_4_FUNEl",
		"_ZZ4makelENUllE2_4_FUNEl":     "_ZZ4makelENUllE_4_FUNEl",
		"_ZZ4makelENUt3_1fEv":          "_ZZ4makelENUt_1fEv",
		"_ZN1a1b28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE":  "_ZN1a1b28_$u7b$$u7b$closure$u7d$$u7d$",
		"_ZN4core3ops8function6FnOnce9call_once17h5ffa5abec0536f5bE": "_ZN4core3ops8function6FnOnce9call_once",
		"_ZN4core3ptr13drop_in_place17h5ffa5abec0536f5bE":            "_ZN4core3ptr13drop_in_place17h5ffa5abec0536f5bE",
		"_Z9": "_Z9", "_ZZ99999999999999999999x": "_ZZ99999999999999999999x", "_ZZ1": "_ZZ1", "_ZZ1x_": "_ZZ1x_", "_ZZ1x__": "_ZZ1x__",
	} {
		if got := Unordered(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
