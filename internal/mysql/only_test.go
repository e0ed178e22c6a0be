package mysql

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is about to be overwritten is captured whole, whatever the settings leave
// out of other points.
func TestOnly(t *testing.T) {
	settings := Settings{
		Address: "h:1", User: "u", Schemas: []string{"*"}, ExcludeSchemas: []string{"x"},
		Tables: TableChoice{Exclude: []string{"a.t"}}, NoData: []string{"a.u"}, Where: map[string]string{"a.v": "1"}, Accounts: AllAccounts,
	}
	tests := map[string]struct {
		parts []string
		want  Settings
	}{
		"whole schemas":       {[]string{"a", `b\.c`}, Settings{Schemas: []string{"a", `b\.c`}, Accounts: NoAccounts}},
		"tables":              {[]string{"a.t", "a.u"}, Settings{Schemas: []string{"a"}, Tables: TableChoice{Include: []string{"a.t", "a.u"}}, Accounts: NoAccounts}},
		"a schema and tables": {[]string{"a", "b.t"}, Settings{Schemas: []string{"a", "b"}, Tables: TableChoice{Include: []string{"a.*", "b.t"}}, Accounts: NoAccounts}},
		"accounts alone":      {[]string{accountsPart}, Settings{Schemas: []string{"*"}, NoData: []string{"*.*"}, Accounts: AllAccounts}},
		"accounts too":        {[]string{"a", accountsPart}, Settings{Schemas: []string{"a"}, Accounts: AllAccounts}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.want.Address, tt.want.User = settings.Address, settings.User
			got := settings.Only(tt.parts)
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}
