package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// advice is one thing that somebody should do something about.
type advice struct{ What, Do, Command string }

// judge fills what the page says of the outcome. A proof that says that it
// passed and lists what did not is shown as failed: who reads the first lines
// only must not miss it (invariant 11).
func (p *drillPage) judge() {
	p.Faults = slices.Concat(p.interrupted(), p.blindness(), p.inequalities(), p.untruths(), p.unmet())
	p.Notes = slices.Concat(p.objectives(), p.keys())
	switch {
	case p.Proof.Passed && len(p.Faults) > 0:
		p.Faults = append([]advice{{What: "The record says that the drill passed, and lists what did not.", Do: "Believe neither before it is explained: report it as a defect of the program."}}, p.Faults...)
	case p.Proof.Passed || len(p.Faults) > 0:
	case len(p.Notes) > 0:
		p.Faults, p.Notes = p.Notes, nil
	default:
		p.Faults = []advice{{What: "The record gives no more than the code " + p.Proof.Failure + ".", Do: "Read the log of the drill."}}
	}
}

// Passed reports whether everything that was looked at was good.
func (p *drillPage) Passed() bool { return p.Proof.Passed && len(p.Faults) == 0 }

// Proves reports whether the points of the set are proven by this drill.
func (p *drillPage) Proves() bool { return p.Passed() && p.Proof.Full }

// Look names the style of the verdict.
func (p *drillPage) Look() string {
	switch {
	case p.Proves():
		return "good"
	case p.Passed():
		return "plain"
	default:
		return "bad"
	}
}

// Word is the outcome; no colour is needed to understand it.
func (p *drillPage) Word() string { return OutcomeOf(p.Passed(), p.Proof.Full) }

// OutcomeOf says how a drill ended, in words.
func OutcomeOf(passed, full bool) string {
	switch {
	case passed && full:
		return "passed"
	case passed:
		return "passed in part"
	default:
		return "failed"
	}
}

// Headline is the verdict in one line.
func (p *drillPage) Headline() string {
	switch {
	case p.Unequal > 0 || p.Found() < p.Tried():
		return "Failed: do not rely on these recovery points"
	case p.Failure != nil:
		return "Failed: the drill could not be brought to its end"
	case p.Proves():
		return "Passed: what was backed up comes back"
	case p.Passed():
		return "Passed in part: this proves nothing"
	default:
		return "Failed: not everything is as it has to be"
	}
}

// Lead says what was done.
func (p *drillPage) Lead() string {
	lead := fmt.Sprintf("On %s, %s %%s from %s into empty scratch servers", p.Proof.Started.UTC().Format("2 January 2006 at 15:04 UTC"),
		pluralIs(len(p.Proof.Set), "source"), plural(int64(len(p.Manifests)), "recovery point"))
	if len(p.Proof.Comparisons) == 0 {
		return fmt.Sprintf(lead, "to be restored") + ". Nothing was compared."
	}
	var what []string
	for _, s := range p.Sums {
		what = append(what, s.Words())
	}
	return fmt.Sprintf(lead, "restored") + " and read again: " + strings.Join(what, "; ") + "."
}

func pluralIs(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " was"
	}
	return plural(int64(n), noun) + " were"
}

// Result says what the comparison found.
func (p *drillPage) Result() string {
	if len(p.Proof.Comparisons) == 0 {
		return ""
	}
	if p.Unequal == 0 {
		return "All of it equals what was captured."
	}
	return fmt.Sprintf("%s of %s did not come back as captured.", count(p.Unequal), plural(p.Compared(), "part"))
}

// Partial says why the drill proves nothing; empty where it was a full one, or
// where it has failed, which says enough.
func (p *drillPage) Partial() string {
	s := p.Proof.Sample
	switch {
	case p.Proof.Full || s == nil && !p.Passed():
		return ""
	case s == nil:
		return "Something was left out of this drill. It is recorded, but proves no point: only a drill of everything does."
	default:
		return fmt.Sprintf("Only a sample was restored: %s of %s, drawn at random. It is recorded, but proves no point: only a drill of everything does.",
			count(s.Objects), plural(s.Of, "object"))
	}
}

// Confidence says what follows from a sample of which nothing is bad; a sample
// with a bad object in it says nothing of the kind.
func (p *drillPage) Confidence() string {
	s := p.Proof.Sample
	if s == nil || s.Confidence <= 0 || p.Unequal > 0 {
		return ""
	}
	return fmt.Sprintf("As none of those is bad, it is %s sure that fewer than %s of all are bad.", percent(s.Confidence), percent(s.BadShare))
}

// LastProven is the newest earlier drill that proved its points.
func (p *drillPage) LastProven() *repository.Proof {
	for i := range slices.Backward(p.Earlier) {
		if e := &p.Earlier[i]; e.Passed && e.Full {
			return e
		}
	}
	return nil
}

func (p *drillPage) interrupted() []advice {
	f := p.Failure
	if f == nil {
		return nil
	}
	while := strings.TrimSpace(f.Doing + " " + f.Target)
	a := advice{What: "It could not go on: " + f.Why + ".", Do: f.Try}
	if while != "" {
		a.What = "It could not go on (" + while + "): " + f.Why + "."
	}
	if a.Do == "" {
		a.Do = "Remove the cause and drill again."
	}
	return []advice{a}
}

// blindness are the damages that the drill's own checks did not see.
func (p *drillPage) blindness() []advice {
	var missed []string
	for _, s := range p.Proof.SelfTest {
		if !s.Found {
			missed = append(missed, s.Damage)
		}
	}
	if len(missed) == 0 {
		return nil
	}
	return []advice{{
		What: fmt.Sprintf("Of %s that the drill made on purpose its own checks did not find %d: %s.", plural(int64(len(p.Proof.SelfTest)), "damage"), len(missed), few(missed)),
		Do:   "Rely on nothing else on this page: a check that does not bite shows nothing. Report it as a defect, with this page.",
	}}
}

func (p *drillPage) inequalities() []advice {
	if len(p.Proof.Comparisons) == 0 && p.Failure == nil {
		return []advice{{What: "Nothing was compared.", Do: "See that the drill is told what to restore, and drill again."}}
	}
	var found []advice
	for _, s := range p.Sums {
		if len(s.Bad) == 0 {
			continue
		}
		a := advice{
			What: fmt.Sprintf("Source %s: %d of %s did not come back as captured: %s.", s.Source, len(s.Bad), plural(s.Items, "part"), few(s.Bad)),
			Do:   "Do not restore " + s.Source + " from this point before it is explained. This says whether what is stored is damaged; if it is sound, the restore is at fault:",
		}
		if s.Point != "" {
			a.Command = "openim-dr check --read-data " + s.Point
		}
		found = append(found, a)
	}
	return found
}

// truths are the checks across the stores: what each is called, what is wrong
// where it fails, and what to do then.
var truths = map[string]struct{ title, bad, do string }{
	"missing": {"Objects that the database refers to are there", "are referred to by the database and are in no bucket of the set", "Look for them at the source. What is missing there, too, was lost before the backup: an earlier point may have it."},
	"size":    {"They have the size that the database says", "are not of the size that the database says", "Where the comparison is equal the damage is older than the backup: an earlier point may have them whole."},
	"content": {"Their content is the one that their name promises", "do not have the content that their name promises", "Where the comparison is equal the damage is older than the backup: an earlier point may have them whole."},
	"orphan":  {"Objects that nothing refers to", "are referred to by nothing", "No restore suffers from them. If they have become many at once, ask whether rows were lost."},
}

// TruthTitle is what a check across the stores is called.
func (p *drillPage) TruthTitle(check string) string {
	if t, known := truths[check]; known {
		return t.title
	}
	return check
}

func (p *drillPage) untruths() []advice {
	var found []advice
	for _, t := range p.Proof.Truth {
		if t.Passed {
			continue
		}
		words, known := truths[t.Check]
		if !known {
			words.bad, words.do = "did not pass the check "+t.Check, "They are listed below."
		}
		found = append(found, advice{What: fmt.Sprintf("Of %s checked for source %s, %s %s (tolerated: %s).", plural(t.Checked, "object"), t.Source, count(t.Bad), words.bad, count(t.Tolerated)), Do: words.do})
	}
	return found
}

func (p *drillPage) unmet() []advice {
	var found []advice
	for _, a := range p.Proof.Assertions {
		if !a.Passed {
			found = append(found, advice{
				What: fmt.Sprintf("The assertion %q did not hold: %s.", a.Name, a.Detail),
				Do:   "Ask the source the same. If it holds there, the point lacks something; if it does not, the data was so when it was captured.",
			})
		}
	}
	return found
}

func (p *drillPage) objectives() []advice {
	var found []advice
	if r := p.Proof.RTO; r.Met != nil && !*r.Met {
		found = append(found, advice{
			What: fmt.Sprintf("A restore takes %s, and the objective is %s.", Duration(restoreTime(&p.Proof)), Promised(r.ObjectiveSeconds)),
			Do:   "Give the restore a faster server or more workers, or promise what can be kept (objectives.rto).",
		})
	}
	if r := p.Proof.RPO; r.Met != nil && !*r.Met {
		found = append(found, advice{
			What: fmt.Sprintf("The oldest point of the set was %s old, and the objective is %s.", Duration(r.Seconds), Promised(r.ObjectiveSeconds)),
			Do:   "If no newer point was there, back up more often, or promise what can be kept (objectives.rpo).",
		})
	}
	return found
}

func (p *drillPage) keys() []advice {
	if p.Proof.Keys == nil {
		return nil
	}
	var found []advice
	for _, k := range p.Proof.Keys.Identities {
		if k.Broken > 0 {
			found = append(found, advice{
				What: fmt.Sprintf("The key %s does not open %s that it was meant to open.", k.Fingerprint, plural(k.Broken, "point")),
				Do:   "Wrap their keys for it again while another key still opens them.",
			})
		}
	}
	if n := len(p.Proof.Keys.OneKey); n > 0 {
		found = append(found, advice{
			What: fmt.Sprintf("No more than one key opens %s: whoever loses it loses them.", few(p.Proof.Keys.OneKey)),
			Do:   "Wrap their keys for a second recipient, and keep its key elsewhere.",
		})
	}
	return found
}

// few names the first of many.
func few(names []string) string {
	const shown = 3
	if len(names) <= shown+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
