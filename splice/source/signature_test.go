package source_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/source"
)

// TestSignatures changes the parameters of functions. The update is made where all that calls
// one is given; who isn't given, and calls it with the old parameters, is told.
func TestSignatures(t *testing.T) {
	b := stock(t, "6.1")
	for _, c := range []struct {
		name  string
		edits []edit
		code  finding.Code // of a refusal; "" for an update that is made
		says  string       // in it
	}{
		// All callers are in one module: they are compiled since they include the header.
		{"all given", []edit{
			{"net/8021q/vlan.h", "vlan_dev_get_realdev_name(const struct net_device *dev, char *result,", "vlan_dev_get_realdev_name(const struct net_device *dev, int less, char *result,"},
			{"net/8021q/vlan_dev.c", "vlan_dev_get_realdev_name(const struct net_device *dev, char *result, size_t size)\n{", "vlan_dev_get_realdev_name(const struct net_device *dev, int less, char *result, size_t size)\n{\n\tsize -= less;"},
			{"net/8021q/vlan.c", "vlan_dev_get_realdev_name(dev, args.u.device2,", "vlan_dev_get_realdev_name(dev, 1, args.u.device2,"},
		}, "", ""},
		// Assembly is no part of the patch, and passes one parameter.
		{"called by assembly", []edit{
			{"arch/x86/kernel/acpi/sleep.h", "x86_acpi_enter_sleep_state(u8 state)", "x86_acpi_enter_sleep_state(u8 state, u8 more)"},
			{"arch/x86/kernel/acpi/sleep.c", "x86_acpi_enter_sleep_state(u8 state)\n{", "x86_acpi_enter_sleep_state(u8 state, u8 more)\n{\n\tstate += more;"},
		}, finding.CodeNotGiven, "do_suspend_lowlevel"},
		// Assembly is changed too, but nothing tells that it passes both parameters.
		{"called by given assembly", []edit{
			{"arch/x86/kernel/acpi/sleep.h", "x86_acpi_enter_sleep_state(u8 state)", "x86_acpi_enter_sleep_state(u8 state, u8 more)"},
			{"arch/x86/kernel/acpi/sleep.c", "x86_acpi_enter_sleep_state(u8 state)\n{", "x86_acpi_enter_sleep_state(u8 state, u8 more)\n{\n\tstate += more;"},
			{"arch/x86/kernel/acpi/wakeup_64.S", "\tcall\tx86_acpi_enter_sleep_state", "\tnop\n\tcall\tx86_acpi_enter_sleep_state"},
		}, finding.CodeNotGiven, "do_suspend_lowlevel"},
		// All callers of the source are given, in two other modules; but others may call it.
		{"called by other modules", []edit{
			{"include/net/stp.h", "stp_proto_register(const struct stp_proto *proto)", "stp_proto_register(const struct stp_proto *proto, int more)"},
			{"net/802/stp.c", "stp_proto_register(const struct stp_proto *proto)\n{\n\tint err = 0;", "stp_proto_register(const struct stp_proto *proto, int more)\n{\n\tint err = more;"},
			{"net/802/garp.c", "stp_proto_register(&appl->proto)", "stp_proto_register(&appl->proto, 0)"},
			{"net/bridge/br.c", "stp_proto_register(&br_stp_proto)", "stp_proto_register(&br_stp_proto, 0)"},
		}, finding.CodeNotGiven, "exported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := b.Plan(t.Context(), patchOf(t, b, "test.patch", c.edits...))
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Build(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			if c.code == "" {
				if r.Outcome != source.OutcomeMade || !told(r.Findings, finding.CodeTypeSignature) {
					t.Errorf("%s: %v; findings %v", r.Outcome, r.Refusals, r.Findings)
				}
				// What has the header, and nothing of what differs, needs not be given.
				if !slices.ContainsFunc(r.Objects, func(o source.ObjectResult) bool { return o.NotCompiled != "" }) {
					t.Error("all objects were compiled")
				}
				return
			}
			is := func(x *finding.Refusal) bool { return x.Code == c.code && strings.Contains(x.Error(), c.says) }
			if r.Outcome == source.OutcomeMade || !slices.ContainsFunc(r.Refusals, is) {
				t.Errorf("%s: %v, want %s of %q", r.Outcome, r.Refusals, c.code, c.says)
			}
		})
	}
}

func told(list []finding.Finding, code finding.Code) bool {
	return slices.ContainsFunc(list, func(f finding.Finding) bool { return f.Code == code && f.Severity == finding.Carried })
}
