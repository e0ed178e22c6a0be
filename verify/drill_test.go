package verify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
	"github.com/openim-dr/openim-dr/verify"
)

// scratch is a scratch server in memory, which may misbehave.
type scratch struct {
	*repotest.Sample
	blind   bool   // its comparison sees nothing
	mute    bool   // it does not deliver what it has taken
	spoil   string // a table that is lost after it was restored
	err     error  // of its restore
	answers map[string][][]string
	hang    bool // its restore takes until it is stopped
}

func (s *scratch) Restore(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (repository.Summary, error) {
	if s.hang {
		<-ctx.Done()
		return repository.Summary{}, context.Cause(ctx)
	}
	if s.err != nil {
		return repository.Summary{}, s.err
	}
	sum, err := s.Sample.Restore(ctx, from, p, show)
	delete(s.Tables, s.spoil)
	return sum, err
}

func (s *scratch) Compare(ctx context.Context, from *repository.SourceReader, p *source.Plan, show progress.Reporter) (*source.Comparison, error) {
	compared, err := s.Sample.Compare(ctx, from, p, show)
	if err == nil && s.mute {
		compared.Differences = append(compared.Differences, source.Difference{Object: "media/a", What: "unreadable", Got: "status 500"})
	}
	if err == nil && s.blind {
		compared.Differences = nil
	}
	return compared, err
}

func (s *scratch) Disturb(context.Context, *repository.SourceReader, *source.Plan) (*source.Disturbance, error) {
	for name := range s.Tables {
		s.Tables[name] += "!"
		return &source.Disturbance{What: "a row of " + s.Name, Finds: "digest"}, nil
	}
	return nil, nil // nothing to disturb
}

func (s *scratch) Query(_ context.Context, statement string, fn func(row []*string) error) error {
	answer, ok := s.answers[statement]
	if !ok {
		return errors.New("there is no such table")
	}
	for _, texts := range answer {
		row := make([]*string, len(texts))
		for i := range texts {
			row[i] = &texts[i]
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

func (s *scratch) Enumerate(ctx context.Context, from *repository.SourceReader, fn func(bucket, key string, size int64) error) error {
	for key, content := range media().Objects {
		if err := fn("media", key, int64(len(content))); err != nil {
			return err
		}
	}
	return nil
}

func database() *repotest.Sample {
	return &repotest.Sample{Name: "main", Tables: map[string]string{"s/users": "1\tAnn\n2\tBob\n", "s/groups": "7\n"}}
}

func media() *repotest.Sample {
	return &repotest.Sample{Name: "media", Objects: map[string]string{"a/b": "one", "a-c": strings.Repeat("two", 1000), "d": "three"}}
}

// stand is a repository with a point, and a drill of it into two servers.
type stand struct {
	*testing.T
	*repotest.Fixture
	memory      *repotest.Memory
	main, media *scratch
	drill       *verify.Drill
}

func newStand(t *testing.T) *stand {
	t.Helper()
	memory := repotest.NewMemory()
	s := &stand{T: t, Fixture: repotest.Over(t, memory), memory: memory}
	s.main, s.media = &scratch{Sample: &repotest.Sample{Name: "main"}}, &scratch{Sample: &repotest.Sample{Name: "media"}}
	s.backUp()
	s.drill = &verify.Drill{
		ID: repository.NewDrillID(time.Now()), Instance: repotest.Instance, Tool: "test", Into: "given",
		Scratch: []verify.Scratch{
			{Source: restore.Source{Name: "main", Kind: repotest.SampleKind, Phase: source.Databases, Restorer: s.main}},
			{Source: restore.Source{Name: "media", Kind: repotest.SampleKind, Phase: source.Files, Restorer: s.media}},
		},
		Store: s.Store, Trust: s.Trust, Identities: []seal.Identity{s.Operator}, MustBeReferred: func(key string) bool { return true },
		Show: progress.Discard, Log: slog.New(slog.DiscardHandler),
	}
	s.choose(verify.Which{})
	return s
}

func (s *stand) backUp() {
	s.Helper()
	sources := []backup.Source{
		{Name: "main", Kind: repotest.SampleKind, FormatVersion: 1, Phase: source.Databases, Capturer: database()},
		{Name: "media", Kind: repotest.SampleKind, FormatVersion: 1, Phase: source.Files, Capturer: media()},
	}
	_, err := backup.Run(s.Context(), s.Writer(s.T), backup.Options{
		Instance: repotest.Instance, Stream: "manual", Sources: sources, Show: progress.Discard, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stand) choose(which verify.Which) {
	s.Helper()
	listing, err := s.Open(s.T).List(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	if s.drill.Set, err = verify.Choose(listing, repotest.Instance, which, time.Now()); err != nil {
		s.Fatal(err)
	}
}

// run drills, and requires that there was a drill.
func (s *stand) run() *verify.Outcome {
	s.Helper()
	outcome, err := s.drill.Run(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	if outcome.Proof.Passed != (outcome.Err == nil) || outcome.Proof.Passed != (outcome.Proof.Failure == "") {
		s.Errorf("passed %v, failure %q, error %v", outcome.Proof.Passed, outcome.Proof.Failure, outcome.Err)
	}
	return outcome
}

func TestDrillProvesAPoint(t *testing.T) {
	s := newStand(t)
	outcome := s.run()
	p := outcome.Proof
	if !p.Passed || !p.Full || len(p.Set) != 2 || len(p.Comparisons) != 4 {
		t.Fatalf("%v: %+v", outcome.Err, p)
	}
	for _, test := range p.SelfTest {
		if !test.Found {
			t.Errorf("%s was not found: %s", test.Damage, test.Detail)
		}
	}
	if len(p.SelfTest) != 10 { // three files twice, one in another's place, two of the point, a row
		t.Errorf("%d self-tests: %+v", len(p.SelfTest), p.SelfTest)
	}
	if p.RTO.Seconds <= 0 || p.RPO.Seconds <= 0 || p.Keys == nil || p.Keys.Identities[0].Opens != 1 || len(p.Heads) != 1 {
		t.Errorf("rto %+v, rpo %+v, keys %+v, heads %+v", p.RTO, p.RPO, p.Keys, p.Heads)
	}
	if err := repository.AppendProof(t.Context(), s.Store, s.Open(t), s.Signer, s.drill.Set.Points(), p); err != nil {
		t.Fatal(err)
	}
	listing, err := s.Open(t).List(t.Context())
	if err != nil || listing.Points[0].Proven == nil {
		t.Errorf("the point is not proven: %v", err)
	}
}

// Invariant 11: whatever goes wrong is a failed drill with the reason, and no
// hang; the proof of it is kept.
func TestWhatFailsADrill(t *testing.T) {
	broken := errors.New("the disk is full")
	tests := map[string]struct {
		change func(s *stand)
		code   string
		kind   fault.Kind
		says   string
	}{
		"a table that did not come back": {func(s *stand) { s.main.spoil = "s/users" }, "differs", fault.Corrupt, "1 difference between"},
		"a comparison that sees nothing": {func(s *stand) { s.main.blind = true }, "self-test", fault.Corrupt, "does not bite"},
		"a damaged file": {func(s *stand) {
			s.damage("points/", ".tsv.zst.age")
		}, "damaged", fault.Corrupt, ""},
		"a missing pack": {func(s *stand) {
			s.memory.Damage(s.file("packs/", ".tar.age"), nil)
		}, "damaged", fault.Corrupt, ""},
		"a scratch server that dies": {func(s *stand) {
			s.main.hang = true
			s.drill.Watch = func(context.Context) error { return broken }
		}, "scratch", fault.Failed, "the disk is full"},
		"a full disk that a restore meets first": {func(s *stand) {
			s.main.err = errors.New("the table is full")
			s.drill.Look = func(context.Context) error { return broken }
		}, "scratch", fault.Failed, "the disk is full"},
		"a server that fails":                            {func(s *stand) { s.main.err = errors.New("it went away") }, "other", fault.Failed, "it went away"},
		"objects that a scratch server does not deliver": {func(s *stand) { s.media.mute = true }, "differs", fault.Corrupt, "does not deliver"},
		"a difference, and then something else": {func(s *stand) {
			s.main.spoil = "s/users"
			s.drill.References = func(context.Context, string, source.Ask) ([]source.Reference, error) { return nil, broken }
		}, "differs", fault.Corrupt, "the disk is full"},
		"an assertion": {func(s *stand) {
			s.main.answers = map[string][][]string{"q": {{"0"}}}
			s.drill.Assertions = []verify.Assertion{{Name: "there are users", Source: "main", Query: "q"}}
		}, "assertion", fault.Corrupt, "there are users"},
		"a reference that leads nowhere": {func(s *stand) { s.refer("a/b", "nowhere") }, "truth", fault.Corrupt, "1 of 2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			tt.change(s)
			outcome := s.run()
			if outcome.Proof.Failure != tt.code || fault.KindOf(outcome.Err) != tt.kind || !strings.Contains(outcome.Err.Error(), tt.says) {
				t.Errorf("failed with %q (%v): %v; want %q (%v) that says %q", outcome.Proof.Failure, fault.KindOf(outcome.Err), outcome.Err, tt.code, tt.kind, tt.says)
			}
			if len(outcome.Proof.Set) != 2 || outcome.Proof.Ended.IsZero() {
				t.Errorf("the proof says too little: %+v", outcome.Proof)
			}
			if err := repository.AppendProof(t.Context(), s.Store, s.Open(t), s.Signer, s.drill.Set.Points(), outcome.Proof); err != nil {
				t.Fatal(err)
			}
			if listing, err := s.Open(t).List(t.Context()); err != nil || listing.Points[0].Proven != nil || len(listing.Points[0].Proofs) != 1 {
				t.Errorf("the failure was not kept, or proves something: %v", err)
			}
		})
	}
}

// file returns the first file of a kind.
func (s *stand) file(prefix, suffix string) string {
	s.Helper()
	names := s.memory.Names()
	at := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, prefix) && strings.HasSuffix(n, suffix) })
	if at < 0 {
		s.Fatalf("there is no %s…%s", prefix, suffix)
	}
	return names[at]
}

func (s *stand) damage(prefix, suffix string) {
	s.Helper()
	name := s.file(prefix, suffix)
	content := slices.Clone(s.memory.Content(name))
	content[len(content)/2] ^= 1
	s.memory.Damage(name, content)
}

// refer has the database refer to objects.
func (s *stand) refer(keys ...string) {
	var rows [][]string
	for _, key := range keys {
		rows = append(rows, []string{key})
	}
	s.main.answers = map[string][][]string{"refer": rows}
	s.drill.References = func(_ context.Context, database string, _ source.Ask) ([]source.Reference, error) {
		return []source.Reference{{Query: "refer", Read: func(row []*string) (source.Referred, bool) {
			return source.Referred{Key: *row[0], Size: -1}, true
		}}}, nil
	}
}

// A drill ends when its context does, and says why.
func TestDrillThatIsEnded(t *testing.T) {
	for code, cause := range map[string]error{
		"lease":   repository.ErrLeaseLost,
		"time":    fmt.Errorf("it took too long: %w", context.DeadlineExceeded),
		"stopped": context.Canceled,
	} {
		t.Run(code, func(t *testing.T) {
			s := newStand(t)
			s.main.hang = true
			ctx, cancel := context.WithCancelCause(t.Context())
			s.drill.Watch = func(ctx context.Context) error {
				cancel(cause)
				<-ctx.Done()
				return nil
			}
			outcome, err := s.drill.Run(ctx)
			if err != nil || outcome.Proof.Failure != code {
				t.Errorf("got %+v, %v; want %q", outcome, err, code)
			}
		})
	}
}

// What is not even begun is no drill, and leaves no proof.
func TestRefusedDrills(t *testing.T) {
	tests := map[string]struct {
		change func(s *stand)
		want   fault.Kind
		says   string
	}{
		"a server that holds data": {func(s *stand) { s.main.Tables = map[string]string{"s/t": "precious"} }, fault.Refused, "which would be lost"},
		"a point that nobody trusts": {func(s *stand) {
			signer, err := seal.NewTrustedSigner(s.Signer.PublicKey(), []seal.Role{seal.RoleOperator}, time.Time{}, time.Time{})
			if err != nil {
				s.Fatal(err)
			}
			s.drill.Trust = seal.Trust{signer}
		}, fault.Refused, "does not hold the role writer"},
		"a key that opens nothing": {func(s *stand) {
			stranger := repotest.Over(s.T, repotest.NewMemory())
			s.drill.Identities = []seal.Identity{stranger.Operator}
		}, fault.Usage, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			tt.change(s)
			outcome, err := s.drill.Run(t.Context())
			if outcome != nil || err == nil || fault.KindOf(err) != tt.want || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, %v (%v); want %v that says %q", outcome, err, fault.KindOf(err), tt.want, tt.says)
			}
			if s.main.Tables["s/t"] == "" && len(s.main.Tables) > 0 {
				t.Error("something was restored")
			}
		})
	}
}

func TestAssertions(t *testing.T) {
	captured := time.Now().UTC()
	want, share := "3", 0.2
	proven := func(proof *repository.Proof, err error) func(context.Context, string) (*repository.Proof, error) {
		return func(context.Context, string) (*repository.Proof, error) { return proof, err }
	}
	before := proven(&repository.Proof{Comparisons: []repository.ProofCompared{{Source: "main", Name: "s/users", Rows: 10}}}, nil)
	east := captured.Add(7 * time.Hour).Format("2006-01-02 15:04:05")
	hour := captured.Add(-time.Hour).Format("2006-01-02 15:04:05.000000")
	tests := map[string]struct {
		assertion verify.Assertion
		answer    [][]string
		passed    bool
	}{
		"true":                            {verify.Assertion{Query: "q"}, [][]string{{"1"}}, true},
		"false":                           {verify.Assertion{Query: "q"}, [][]string{{"0"}}, false},
		"nothing":                         {verify.Assertion{Query: "q"}, [][]string{{""}}, false},
		"no row":                          {verify.Assertion{Query: "q"}, [][]string{}, false},
		"two rows":                        {verify.Assertion{Query: "q"}, [][]string{{"1"}, {"1"}}, false},
		"two columns":                     {verify.Assertion{Query: "q"}, [][]string{{"1", "1"}}, false},
		"the value":                       {verify.Assertion{Query: "q", Want: &want}, [][]string{{"3"}}, true},
		"another value":                   {verify.Assertion{Query: "q", Want: &want}, [][]string{{"4"}}, false},
		"a query that cannot be asked":    {verify.Assertion{Query: "unknown"}, nil, false},
		"new enough":                      {verify.Assertion{Query: "q", Newest: true, Within: 2 * time.Hour}, [][]string{{hour}}, true},
		"too old":                         {verify.Assertion{Query: "q", Newest: true, Within: time.Minute}, [][]string{{hour}}, false},
		"new enough where it was written": {verify.Assertion{Query: "q", Newest: true, Within: 2 * time.Hour, Zone: time.FixedZone("", 8*3600)}, [][]string{{east}}, true},
		"no time":                         {verify.Assertion{Query: "q", Newest: true, Within: time.Minute}, [][]string{{"yesterday"}}, false},
		"zero with decimals":              {verify.Assertion{Query: "q"}, [][]string{{"0.00"}}, false},
		"a row from the future":           {verify.Assertion{Query: "q", Newest: true, Within: time.Hour}, [][]string{{east}}, false},
		"no proof before":                 {verify.Assertion{RowsDrop: &share, Before: proven(nil, nil)}, nil, true},
		"fewer rows than before":          {verify.Assertion{RowsDrop: &share, Before: before}, nil, false},
		"a command":                       {verify.Assertion{Run: func(context.Context) error { return nil }}, nil, true},
		"a command that fails":            {verify.Assertion{Run: func(context.Context) error { return errors.New("exit code 1") }}, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			if tt.answer != nil {
				s.main.answers = map[string][][]string{"q": tt.answer}
			}
			tt.assertion.Name, tt.assertion.Source = name, "main"
			s.drill.Assertions = []verify.Assertion{tt.assertion}
			outcome := s.run()
			if got := outcome.Proof.Assertions; len(got) != 1 || got[0].Passed != tt.passed || got[0].Detail == "" {
				t.Errorf("got %+v, want passed %v", got, tt.passed)
			}
			if data := outcome.Proof.RPO.DataSeconds; tt.assertion.Newest && name != "no time" && name != "a row from the future" && (data == nil || *data < 3000 || *data > 4000) {
				t.Errorf("the data are %v seconds old, want about an hour", data)
			}
		})
	}
}

// What is tolerated is counted, and fails nothing.
func TestTolerance(t *testing.T) {
	s := newStand(t)
	s.refer("a/b", "nowhere", "nor here")
	s.drill.Tolerance = verify.Tolerance{Missing: 2}
	outcome := s.run()
	if !outcome.Proof.Passed {
		t.Error(outcome.Err)
	}
	got := map[string]int64{}
	for _, truth := range outcome.Proof.Truth {
		got[truth.Check] = truth.Bad
	}
	if got["missing"] != 2 || got["orphan"] != 2 || !slices.Equal(outcome.Told["missing"], []string{"nowhere", "nor here"}) {
		t.Errorf("found %v, told %v", got, outcome.Told)
	}
}

// A sample proves nothing, and says how sure it makes.
func TestSampledDrill(t *testing.T) {
	s := newStand(t)
	s.drill.Share = 0.5
	outcome := s.run()
	p := outcome.Proof
	if !p.Passed || p.Full || p.Sample == nil || p.Sample.Of != 3 || p.Sample.Confidence != 0.999 || p.Sample.BadShare <= 0 {
		t.Errorf("%v: %+v", outcome.Err, p.Sample)
	}
}

// What rows refer to may have come after the buckets were captured: that is no
// reason to fail, and is said.
func TestBucketsOlderThanTheDatabase(t *testing.T) {
	s := newStand(t)
	_, err := backup.Run(t.Context(), s.Writer(t), backup.Options{
		Instance: repotest.Instance, Stream: "hourly", Show: progress.Discard, Log: slog.New(slog.DiscardHandler),
		Sources: []backup.Source{{Name: "main", Kind: repotest.SampleKind, FormatVersion: 1, Phase: source.Databases, Capturer: database()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.choose(verify.Which{})
	s.refer("nowhere")
	outcome := s.run()
	if !outcome.Proof.Passed || len(outcome.Proof.Truth) != 0 || !slices.ContainsFunc(outcome.Proof.Notes, func(n string) bool { return strings.Contains(n, "was captured before main") }) {
		t.Errorf("%v; truth %+v, notes %v", outcome.Err, outcome.Proof.Truth, outcome.Proof.Notes)
	}
}

// The proof is plain: what a value is, and what an error says, is not in it.
func TestNothingOfAssertionsIsInTheClear(t *testing.T) {
	s := newStand(t)
	s.main.answers = map[string][][]string{"value": {{"hunter2"}}}
	other := "another"
	s.drill.Assertions = []verify.Assertion{
		{Name: "value", Source: "main", Query: "value", Want: &other},
		{Name: "error", Source: "main", Query: "no such"},
		{Name: "command", Run: func(context.Context) error { return errors.New("hunter2 was refused") }},
	}
	outcome := s.run()
	if text := fmt.Sprintf("%+v", outcome.Proof.Assertions); strings.Contains(text, "hunter2") || strings.Contains(text, "no such table") {
		t.Errorf("the proof says %s", text)
	}
	if len(outcome.Warnings) < 2 {
		t.Errorf("the report does not say why: %v", outcome.Warnings)
	}
}
