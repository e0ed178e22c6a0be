package verify

import (
	"math"
	"testing"

	"github.com/openim-dr/openim-dr/internal/source"
)

// newTruthOf holds some objects of one bucket.
func newTruthOf(objects map[string]int64) *truth {
	t := newTruth(0)
	t.buckets = []string{"media/openim"}
	for key, size := range objects {
		t.objects[t.hash("media/openim", key)] = object(size)<<sizeShift | expected
	}
	return t
}

// Every way in which a reference can be wrong is told apart from the others.
func TestReferences(t *testing.T) {
	tests := map[string]struct {
		bucket string
		to     source.Referred
		want   map[string]int64 // what is bad, by check
	}{
		"right":                   {"", source.Referred{Key: "a", Size: 3}, nil},
		"right, in its bucket":    {"media/openim", source.Referred{Key: "a", Size: 3}, nil},
		"of no known size":        {"", source.Referred{Key: "a", Size: -1}, nil},
		"nowhere":                 {"", source.Referred{Key: "b", Size: 3}, map[string]int64{checkMissing: 1}},
		"in another bucket":       {"media/other", source.Referred{Key: "a", Size: 3}, map[string]int64{checkMissing: 1}},
		"of another size":         {"", source.Referred{Key: "a", Size: 4}, map[string]int64{checkSize: 1}},
		"that contradicts itself": {"", source.Referred{Key: "a", Size: 3, Contradicts: true}, map[string]int64{checkRow: 1}},
		"empty, and large":        {"", source.Referred{Key: "large", Size: 1 << 45}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			truth := newTruthOf(map[string]int64{"a": 3, "large": 1 << 45})
			truth.refer(tt.bucket, tt.to)
			for _, result := range truth.results("main", Tolerance{}) {
				if result.Bad != tt.want[result.Check] || result.Passed != (tt.want[result.Check] == 0) {
					t.Errorf("%s: %d are bad, want %d", result.Check, result.Bad, tt.want[result.Check])
				}
				delete(tt.want, result.Check)
			}
			if len(tt.want) > 0 {
				t.Errorf("not found: %v", tt.want)
			}
		})
	}
}

// An address leads to a name that a row has, and nothing is referred to twice.
func TestNamesAndOrphans(t *testing.T) {
	truth := newTruthOf(map[string]int64{"a": 3, "b": 3})
	truth.refer("", source.Referred{Name: "u/a.jpg", Key: "a", Size: 3})
	truth.refer("", source.Referred{Name: "u/again.jpg", Key: "a", Size: 3})
	truth.address("u/a.jpg")
	truth.address("u/gone.jpg")
	truth.orphans()
	got := map[string][2]int64{}
	for _, r := range truth.results("main", Tolerance{}) {
		got[r.Check] = [2]int64{r.Bad, r.Checked}
		if !r.Passed {
			t.Errorf("%s failed: it is only counted", r.Check)
		}
	}
	if got[checkName] != [2]int64{1, 2} || got[checkOrphan] != [2]int64{1, 2} || got[checkMissing] != [2]int64{0, 2} {
		t.Errorf("found %v", got)
	}
}

// Damage that was there before the backup is told apart from damage by it.
func TestContentsApart(t *testing.T) {
	truth := newTruth(0)
	truth.contents(10, 2, []string{"openim/before", "openim/by-it"}, map[string]bool{"openim/by-it": true})
	if r := truth.results("", Tolerance{})[0]; r.Bad != 1 || r.Checked != 10 || truth.checks[checkContent].told[0] != "openim/before" {
		t.Errorf("found %+v, told %v", r, truth.checks[checkContent].told)
	}
}

// Beyond what is held in memory an even share is looked at, of references too.
func TestShareOfManyObjects(t *testing.T) {
	truth := newTruth(4*mostHeld - 1)
	if truth.share != 4 {
		t.Fatalf("one in %d is looked at", truth.share)
	}
	mine := 0
	for i := range 4000 {
		if truth.mine(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))) {
			mine++
		}
	}
	if mine < 700 || mine > 1300 {
		t.Errorf("%d of 4000 are looked at", mine)
	}
}

// The confidence of a sample: of 2300 good ones, less than 0.3 % are bad with
// 99.9 % certainty.
func TestBadShare(t *testing.T) {
	for n, want := range map[int64]float64{0: 1, 1: 0.999, 2300: 0.002999, 10000: 0.00069} {
		if got := badShare(n); math.Abs(got-want) > want/100 {
			t.Errorf("of %d: %g, want about %g", n, got, want)
		}
	}
}
