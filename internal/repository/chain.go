package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// Swept is the link that a chain loses when its point is swept. The record of
// the sweeping keeps it, so that the chain can be followed across the gap.
type Swept struct {
	Instance string `json:"instance"`
	Stream   string `json:"stream"`
	Seq      int64  `json:"seq"`
	SHA256   string `json:"sha256"` // of the manifest
	Previous *Link  `json:"previous" jsonschema:"nullable"`
}

// sweptOf is the link of a point that is about to be swept.
func sweptOf(p *Point) *Swept { return &Swept{p.Instance, p.Stream, p.Seq, p.SHA256, p.Previous} }

// chainLink is what a chain needs to know of a point.
type chainLink struct {
	instance, stream string
	seq              int64
	point, sha256    string
	previous         *Link
}

func linkOf(m *Manifest, sha256 string) chainLink {
	return chainLink{m.Instance, m.Stream, m.Seq, m.Point, sha256, m.Previous}
}

// spelled is how a link is named to people.
func (l chainLink) spelled() string {
	return fmt.Sprintf("number %d of stream %s, %s with SHA-256 %s", l.seq, l.stream, l.point, l.sha256)
}

func (l chainLink) follows(before chainLink) bool {
	return l.previous != nil && *l.previous == Link{before.point, before.sha256}
}

// ExpectedHead is a point that a stream must still lead to: it was the last one
// when somebody wrote it down.
type ExpectedHead struct {
	Instance string // empty: any
	Stream   string
	Seq      int64
	SHA256   string
	Said     string // who says so
}

// ParseExpectedHead reads STREAM=SEQ:SHA256, as show and notifications say it.
func ParseExpectedHead(text string) (ExpectedHead, error) {
	bad := fault.New(fault.Usage, "read flags", "%q is not STREAM=SEQ:SHA256", text).
		Hint("openim-dr show latest prints the stream, the number and the SHA-256 of a manifest")
	equals := strings.LastIndexByte(text, '=')
	if equals <= 0 {
		return ExpectedHead{}, bad
	}
	number, sum, _ := strings.Cut(text[equals+1:], ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq <= 0 || !isKey(sum) {
		return ExpectedHead{}, bad
	}
	return ExpectedHead{Stream: text[:equals], Seq: seq, SHA256: sum, Said: "--expect-head"}, nil
}

// AuditChains follows the chain of every stream, and looks for the heads that
// were expected and those that proofs name.
//
// Of a single point it is the link to the one before it alone.
func (a *Audit) AuditChains(ctx context.Context, expected []ExpectedHead) error {
	if a.only != "" {
		return a.followOne(ctx)
	}
	links := a.links()
	for _, chain := range links {
		if err := a.follow(ctx, chainLink{}, chain); err != nil {
			return err
		}
	}
	for i := range expected {
		if expected[i].Instance == "" {
			expected[i].Instance = a.options.Instance
		}
		a.expect(links, expected[i])
	}
	for _, proof := range a.proven {
		a.proofChains(links, proof)
	}
	return nil
}

// followOne reads the manifest of the point before the one that is audited.
func (a *Audit) followOne(ctx context.Context) error {
	p, known := a.points[a.only]
	if !known || !p.judged {
		return nil
	}
	chain := []chainLink{p.link}
	if previous := p.link.previous; previous != nil && isID(previous.Point) {
		before, err := a.linkBefore(ctx, previous.Point, p.link)
		if err != nil || before == nil {
			return err
		}
		chain = []chainLink{*before, p.link}
	}
	return a.follow(ctx, chainLink{seq: chain[0].seq - 1}, chain)
}

// linkBefore returns the link of a point, or of what its sweeping recorded. It
// is nil where the point is there and cannot be judged, which is a finding.
func (a *Audit) linkBefore(ctx context.Context, point string, after chainLink) (*chainLink, error) {
	signed, err := a.readSigned(ctx, manifestPath(point), startedTime, seal.RoleWriter)
	if err != nil {
		return nil, err
	}
	if signed == nil {
		link, err := a.sweptSince(ctx, point)
		if err == nil && link == nil {
			a.reportGap(chainLink{}, after)
		}
		return link, err
	}
	m, err := a.repo.parseManifest(point, signed.data)
	switch {
	case errors.Is(err, errFenced):
		a.fenced[point] = true
		a.reportGap(chainLink{}, after)
		return nil, nil // see above
	case signed.untrusted != nil:
		return nil, a.forged(ctx, manifestPath(point), signed, after.point, seal.RoleWriter)
	case err != nil:
		return nil, err
	}
	link := linkOf(m, seal.SumOf(signed.data).SHA256)
	return &link, nil
}

// streamName is one chain.
type streamName struct{ instance, stream string }

// links returns the links of every chain in their order: of the points that are
// there and of those whose sweeping was recorded.
func (a *Audit) links() map[streamName][]chainLink {
	chains := map[streamName][]chainLink{}
	add := func(l chainLink) {
		name := streamName{l.instance, l.stream}
		chains[name] = append(chains[name], l)
	}
	for _, p := range a.points {
		if p.judged {
			add(p.link)
		}
	}
	for id, s := range a.swept {
		if _, there := a.points[id]; !there && s.Seq > 0 {
			add(chainLink{s.Instance, s.Stream, s.Seq, id, s.SHA256, s.Previous})
		}
	}
	for _, chain := range chains {
		slices.SortFunc(chain, func(x, y chainLink) int { return cmp.Or(cmp.Compare(x.seq, y.seq), cmp.Compare(x.point, y.point)) })
	}
	return chains
}

// follow goes along a chain from a link that is known to be good; the zero link
// is before every chain.
func (a *Audit) follow(ctx context.Context, before chainLink, chain []chainLink) error {
	for _, l := range chain {
		switch {
		case l.seq == before.seq:
			a.unchained(l, fmt.Sprintf("one point with number %d of stream %s", l.seq, l.stream), "another beside "+before.point)
		case l.seq == 1 && l.previous != nil, l.seq > 1 && l.previous == nil:
			a.unchained(l, "nothing before number 1, and something before every other", fmt.Sprintf("number %d", l.seq))
		case l.seq > before.seq+1:
			if err := a.gap(ctx, before, l); err != nil {
				return err
			}
		case before.point != "" && !l.follows(before):
			a.unchained(l, "after "+before.spelled(), "after "+spelledLink(l.previous))
		}
		before = l
	}
	return nil
}

// gap reports links that are gone, unless it was said before what is wrong with
// the last of them. Those whose sweeping was recorded since the listing are not.
func (a *Audit) gap(ctx context.Context, before, after chainLink) error {
	for after.seq > before.seq+1 && after.previous != nil {
		earlier, err := a.sweptSince(ctx, after.previous.Point)
		if err != nil {
			return err
		}
		if earlier == nil || !after.follows(*earlier) || earlier.seq != after.seq-1 {
			a.reportGap(before, after)
			return nil
		}
		after = *earlier
	}
	if before.point != "" && !after.follows(before) {
		a.unchained(after, "after "+before.spelled(), "after "+spelledLink(after.previous))
	}
	return nil
}

// sweptSince returns the link that the record of a sweeping has kept, or nil.
func (a *Audit) sweptSince(ctx context.Context, point string) (*chainLink, error) {
	if !isID(point) {
		return nil, nil // no point has that name
	}
	a.mu.Lock()
	s := a.swept[point]
	a.mu.Unlock()
	if s == nil {
		var err error
		if s, err = a.repo.sweptRecord(ctx, point); err != nil || s == nil {
			return nil, err
		}
	}
	return &chainLink{s.Instance, s.Stream, s.Seq, point, s.SHA256, s.Previous}, nil
}

func (a *Audit) reportGap(before, after chainLink) {
	last := after.previous.Point
	if p, known := a.points[last]; known && !p.judged {
		return
	}
	if a.fenced[last] {
		a.unchained(after, "after a point", "after "+last+", which a fence says was given up")
		return
	}
	// A name in a manifest is its signer's, and still no file of another place.
	file := manifestPath(after.point)
	if isID(last) {
		file = manifestPath(last)
	}
	wanted := fmt.Sprintf("number %d of stream %s, SHA-256 %s", after.seq-1, after.stream, after.previous.SHA256)
	got := fmt.Sprintf("nothing between number %d and number %d, and no record that it was swept", before.seq, after.seq)
	a.found.add(Finding{Kind: Unchained, File: file, Expected: wanted, Got: got}, after.point)
}

func (a *Audit) unchained(l chainLink, expected, got string) {
	a.found.add(Finding{Kind: Unchained, File: manifestPath(l.point), Expected: expected, Got: got}, l.point)
}

func spelledLink(l *Link) string {
	if l == nil {
		return "nothing"
	}
	return l.Point + " with SHA-256 " + l.SHA256
}

// expect looks for one head.
func (a *Audit) expect(chains map[streamName][]chainLink, head ExpectedHead) {
	var last chainLink
	for name, chain := range chains {
		if name.stream != head.Stream || head.Instance != "" && name.instance != head.Instance {
			continue
		}
		for _, l := range chain {
			if l.seq == head.Seq && l.sha256 == head.SHA256 {
				return
			}
		}
		if end := chain[len(chain)-1]; end.seq > last.seq {
			last = end
		}
	}
	got := "no point of that stream"
	if last.seq > 0 {
		got = "a stream that ends with " + last.spelled()
	}
	a.found.add(Finding{
		Kind: Unchained, File: "stream " + head.Stream, Got: got,
		Expected: fmt.Sprintf("number %d with SHA-256 %s, as %s says", head.Seq, head.SHA256, head.Said),
	}, "")
}

// proofChains holds what a proof says of points against what is there.
func (a *Audit) proofChains(chains map[streamName][]chainLink, proof Proof) {
	for _, h := range proof.Heads {
		if p, known := a.points[h.Point]; !known || p.judged { // otherwise it was said before
			a.expect(chains, ExpectedHead{h.Instance, h.Stream, h.Seq, h.SHA256, proof.Path})
		}
	}
	for _, s := range proof.Set {
		p, known := a.points[s.Point]
		if known && p.judged && p.link.sha256 != s.SHA256 {
			a.unchained(p.link, "SHA-256 "+s.SHA256+", as "+proof.Path+" says", "SHA-256 "+p.link.sha256)
		}
	}
}
