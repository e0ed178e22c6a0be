package tlsmode_test

import (
	"testing"

	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// What is meant is said by what stands there, and what cannot be meant is refused by the
// key that it is about. Which connections come about tests of the servers show.
func TestSettings(t *testing.T) {
	type settings = tlsmode.Settings
	tests := map[string]struct {
		settings  settings
		otherwise tlsmode.Mode
		mode      tlsmode.Mode
		key       string // of the problem
	}{
		"the default":               {settings{}, tlsmode.Preferred, tlsmode.Preferred, ""},
		"another default":           {settings{}, tlsmode.Disabled, tlsmode.Disabled, ""},
		"authorities alone":         {settings{CA: "ca"}, tlsmode.Disabled, tlsmode.VerifyCA, ""},
		"a short word":              {settings{TLS: tlsmode.Verify}, tlsmode.Preferred, tlsmode.VerifyIdentity, ""},
		"a certificate":             {settings{TLS: tlsmode.Required, Cert: "c", Key: "k"}, tlsmode.Disabled, tlsmode.Required, ""},
		"preferred by a word":       {settings{TLS: tlsmode.Preferred}, tlsmode.Preferred, tlsmode.Preferred, ""},
		"preferred where none asks": {settings{TLS: tlsmode.Preferred}, tlsmode.Disabled, tlsmode.Preferred, "tls"},
		"no word":                   {settings{TLS: "maybe"}, tlsmode.Preferred, "maybe", "tls"},
		"authorities unused":        {settings{TLS: tlsmode.Required, CA: "ca"}, tlsmode.Preferred, tlsmode.Required, "tlsCA"},
		"half a pair":               {settings{Cert: "c"}, tlsmode.Preferred, tlsmode.Preferred, "tlsCert"},
		"the other half":            {settings{Key: "k"}, tlsmode.Preferred, tlsmode.Preferred, "tlsKey"},
		"a pair for nobody":         {settings{Cert: "c", Key: "k"}, tlsmode.Disabled, tlsmode.Disabled, "tlsCert"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if mode := tt.settings.Mode(tt.otherwise); mode != tt.mode {
				t.Errorf("the mode is %q, want %q", mode, tt.mode)
			}
			key := ""
			if wrong := tt.settings.Check(tt.otherwise); wrong != nil {
				key = wrong.Key
			}
			if key != tt.key {
				t.Errorf("the problem is of %q, want %q", key, tt.key)
			}
		})
	}
}
