package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/kube/fields"
	"github.com/openim-dr/openim-dr/internal/kube/helm"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// warnDrift counts objects that are not as the manifests of their releases have them.
const warnDrift = "kubernetes.drift"

// driftName is what of a part has drifted, in helm/<namespace>/ or helm/_cluster/.
const driftName = "drift.jsonl"

// register lists the captured objects, and what of them differs from the manifests
// of Helm. It is used by one goroutine.
type register struct {
	*releases
	list     *repository.ObjectsWriter
	digests  *digester
	shown    *fields.Disclosure
	selected bool  // a selector leaves objects out
	drifted  int64 // in all parts

	part   string // that is being captured, and what is known of it:
	rows   []row
	seen   map[key]bool              // of those that a manifest has
	whole  map[schema.GroupKind]bool // kinds of which all was captured
	drifts []Drift
}

// row is an object of the part that is being captured: a state that the server loses
// is read again, so that lines are written when the part is complete. It is small: a
// namespace may have a hundred thousand of them.
type row struct {
	id, digest        seal.Digest
	kind, by, release unique.Handle[string]
	drift             int32 // fields
	at                int64 // Unix seconds; 0: unknown
}

// Drift is an object that is not as the manifest of its release has it. It stands in
// a sealed file, and holds no value of a Secret all the same.
type Drift struct {
	Kind    string `json:"kind"` // Kind or Kind.group
	Name    string `json:"name"`
	Release string `json:"release"`
	// Missing says that the object is not there.
	Missing bool `json:"missing,omitempty"`
	// Fields are from what the manifest says to what is there.
	Fields []fields.Change `json:"fields,omitempty"`
}

// newRegister reads the releases of all namespaces before any object is captured: an
// object of one may belong to a release of another.
func (r *capture) newRegister(ctx context.Context, namespaces []string) (*register, error) {
	list, err := r.draft.CreateObjects(ctx)
	if err != nil {
		return nil, err
	}
	made := &register{
		releases: &releases{session: r.session, draft: r.draft, kinds: r.chosen.kinds, types: r.settings.Exclude.Types, excluded: r.leavesOut, wanted: map[string]map[key]*wanted{}, scaled: map[string]map[key]bool{}},
		list:     list, digests: r.digests, shown: &fields.Disclosure{Hasher: seal.NewHasher(r.draft.DigestKey())}, selected: r.settings.LabelSelector != "",
	}
	for _, namespace := range namespaces {
		if err := made.read(ctx, namespace); err != nil {
			list.Abort()
			return nil, err
		}
	}
	return made, nil
}

// begin is for a part that is captured, or captured anew.
func (r *register) begin(part string) {
	r.part, r.rows, r.drifts, r.seen, r.whole = part, r.rows[:0], nil, map[key]bool{}, map[schema.GroupKind]bool{}
}

// add takes an object in canonical form, and who owned its fields before.
func (r *register) add(u *unstructured.Unstructured, digest seal.Digest, owners fields.Owners) error {
	k := keyOf(u)
	id, err := r.digests.id(namespaceOf(r.part), k)
	if err != nil {
		return err
	}
	found, err := r.compare(k, u, owners)
	if err != nil {
		return err
	}
	by, at := owners.NewestHand(found)
	if by == "" {
		by, at = owners.Newest()
	}
	release, _, _ := unstructured.NestedString(u.Object, "metadata", "annotations", helm.NameAnnotation)
	one := row{
		id: id, digest: digest, kind: unique.Make(k.GroupKind.String()), by: unique.Make(by), release: unique.Make(release),
		drift: int32(min(len(found), 1<<30)),
	}
	if !at.IsZero() {
		one.at = at.Unix()
	}
	r.rows = append(r.rows, one)
	return nil
}

// compare holds an object against the manifest that it is in, if it is in any, and
// returns what differs.
func (r *register) compare(k key, u *unstructured.Unstructured, owners fields.Owners) ([]fields.Difference, error) {
	namespace := namespaceOf(r.part)
	want, ok := r.wanted[namespace][k]
	if !ok {
		return nil, nil
	}
	r.seen[k] = true
	manifest, err := want.object()
	if err != nil {
		return nil, fmt.Errorf("read the manifest of release %q: %w", want.release, err)
	}
	found := fields.Drift(manifest, u.Object, owners, r.scaled[namespace][k])
	if len(found) == 0 {
		return nil, nil
	}
	drift := Drift{Kind: k.GroupKind.String(), Name: k.name, Release: want.release}
	for _, diff := range found {
		drift.Fields = append(drift.Fields, r.shown.Change(k.GroupKind, diff))
	}
	r.drifts = append(r.drifts, drift)
	return found, nil
}

// complete notes that all objects of a kind were captured of the part.
func (r *register) complete(k kind) { r.whole[k.GroupKind()] = true }

// end writes what is known of a part of which everything was captured. It
// returns how many objects have drifted, those that are missing included.
func (r *register) end(ctx context.Context) (drifted int64, err error) {
	for _, row := range r.rows {
		if err := r.list.Add(r.entry(row)); err != nil {
			return 0, err
		}
	}
	r.addMissing()
	drifted = int64(len(r.drifts))
	r.drifted += drifted
	return drifted, r.writeDrifts(ctx)
}

func (r *register) entry(row row) *repository.ObjectEntry {
	entry := &repository.ObjectEntry{
		Namespace: namespaceOf(r.part), Kind: row.kind.Value(), ID: row.id, Digest: row.digest, By: row.by.Value(), Release: row.release.Value(), Drift: int64(row.drift),
	}
	if row.at != 0 {
		at := time.Unix(row.at, 0).UTC()
		entry.At = &at
	}
	return entry
}

// addMissing notes what manifests have and the part has not. Where only some objects
// are captured, nobody knows.
func (r *register) addMissing() {
	if r.selected {
		return
	}
	expected := r.wanted[namespaceOf(r.part)]
	for _, k := range slices.SortedFunc(maps.Keys(expected), compareKeys) {
		if !r.seen[k] && r.whole[k.GroupKind] {
			r.drifts = append(r.drifts, Drift{Kind: k.GroupKind.String(), Name: k.name, Release: expected[k].release, Missing: true})
		}
	}
}

func compareKeys(a, b key) int {
	if c := strings.Compare(a.GroupKind.String(), b.GroupKind.String()); c != 0 {
		return c
	}
	return strings.Compare(a.name, b.name)
}

// writeDrifts writes the sealed file of a part, where anything has drifted.
func (r *register) writeDrifts(ctx context.Context) error {
	if len(r.drifts) == 0 {
		return nil
	}
	file, err := r.draft.Create(ctx, driftName, helmDir, r.part)
	if err != nil {
		return err
	}
	defer file.Abort()
	lines := json.NewEncoder(file)
	for _, drift := range r.drifts {
		if err := lines.Encode(drift); err != nil {
			return err
		}
	}
	return file.Commit()
}

// finish ends the list.
func (r *register) finish() error {
	if r.drifted > 0 {
		r.draft.Warn(warnDrift, r.drifted)
	}
	return r.list.Commit()
}

// id is the keyed digest of what names an object.
func (d *digester) id(namespace string, k key) (seal.Digest, error) {
	d.hasher.Reset()
	if _, err := fmt.Fprintf(d.hasher, "%s\x00%s\x00%s", namespace, k.GroupKind, k.name); err != nil {
		return seal.Digest{}, err
	}
	return d.hasher.Sum(), nil
}
