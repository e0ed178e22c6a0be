package source_test

import (
	"slices"
	"testing"

	"github.com/openim-dr/openim-dr/internal/source"
)

func TestAddressMarks(t *testing.T) {
	marks := func(address string) []string {
		found, err := source.AddressMarks(t.Context(), address)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		return found
	}
	shared := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(m string) bool { return slices.Contains(b, m) })
	}
	here := marks("127.0.0.1:3306")
	for _, same := range []string{"localhost:3306", "LOCALHOST:3306", "[::1]:3306", "127.8.9.1:3306", "0.0.0.0:3306"} {
		if !shared(here, marks(same)) {
			t.Errorf("127.0.0.1:3306 is %q and %s is %q: they share nothing", here, same, marks(same))
		}
	}
	for _, other := range []string{"127.0.0.1:3307", "192.0.2.1:3306"} {
		if shared(here, marks(other)) {
			t.Errorf("127.0.0.1:3306 is %q and %s is %q: they share something", here, other, marks(other))
		}
	}
	if !shared(marks("192.0.2.1:3306"), marks("[::ffff:192.0.2.1]:3306")) {
		t.Error("two ways to write an address share nothing")
	}
	found, err := source.AddressMarks(t.Context(), "No-Such-Host.invalid:3306")
	if err == nil || !slices.Equal(found, []string{"address no-such-host.invalid:3306"}) {
		t.Errorf("a name that leads nowhere is %q, %v", found, err)
	}
}
