package status_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/openim-dr/openim-dr/internal/status"
)

// TestAdvice: there is something to do about every reason.
func TestAdvice(t *testing.T) {
	source, err := os.ReadFile("report.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code += "([a-zA-Z0-9.]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 20 {
		t.Fatalf("found %d codes", len(codes))
	}
	for _, code := range codes {
		if status.Code(code[1]).Advice() == "" {
			t.Errorf("nothing is said to do about %s", code[1])
		}
	}
}
