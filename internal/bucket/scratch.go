package bucket

import (
	"encoding/json"

	"github.com/openim-dr/openim-dr/internal/secret"
)

// Into returns settings that lead to a scratch server, and otherwise say what
// these say.
func (s *Settings) Into(endpoint, region string, accessKey, secretKey secret.Ref) *Settings {
	into := *s
	into.Endpoint, into.Region, into.AccessKey, into.SecretKey = endpoint, region, accessKey, secretKey
	into.SessionToken, into.PathStyle, into.CA = "", nil, ""
	if len(into.Buckets) == 0 {
		into.Buckets = []string{"any"} // nothing is configured: the point alone says what there is
	}
	return &into
}

// HoldsVersions reports whether a source's part of a point has older versions of
// objects.
func HoldsVersions(captured json.RawMessage) bool {
	var record Captured
	_ = json.Unmarshal(captured, &record) // a restore says what is wrong with it
	for _, b := range record.Buckets {
		if b.OlderVersions > 0 {
			return true
		}
	}
	return false
}
