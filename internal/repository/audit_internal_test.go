package repository

import (
	"encoding/json"
	"testing"
)

// JSON that ends too early is told from JSON that was written over, wherever it
// was cut: inside an escape too.
func TestJSONDamage(t *testing.T) {
	whole, err := json.MarshalIndent(Checkpoint{Kind: "checkpoint", Format: 1, Progress: "{\n  \"a\": \"<\u00e9\u2028\"\n}\n", Signature: "untrusted comment: x\n"}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if got := jsonDamage(whole, Forged); got != Forged {
		t.Errorf("the whole is %s", got)
	}
	for i := range whole {
		if got := jsonDamage(whole[:i], Forged); got != Truncated {
			t.Errorf("%q is %s", whole[:i], got)
		}
		if got := jsonDamage(append(append([]byte{}, whole[:i]...), "}\x00"...), Forged); got != Altered {
			t.Errorf("%q and noise is %s", whole[:i], got)
		}
	}
}
