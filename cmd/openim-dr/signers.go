package main

import (
	"fmt"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/source"
)

// signerNotice is how long before the end of a signer's validity doctor speaks.
const signerNotice = 30 * 24 * time.Hour

// examineSigners looks whose validity ends soon. One that has ended is as it
// should be: it vouches for what was signed before.
func examineSigners(signers []config.TrustedSigner, now time.Time) []source.Finding {
	var findings []source.Finding
	for _, s := range signers {
		if s.NotAfter.IsZero() || s.NotAfter.Before(now) || s.NotAfter.Sub(now) > signerNotice {
			continue
		}
		findings = append(findings, source.Finding{
			Check: "keys.validity", Severity: source.Warning,
			Evidence: fmt.Sprintf("what %s signs (%v) counts until %s and no longer", s.Key, s.Roles, utc(s.NotAfter)),
			Remedy:   "make its successor in time: openim-dr keygen signing; trust both for a while, the new one with notBefore, and put the new file in the place of the old",
		})
	}
	return findings
}
