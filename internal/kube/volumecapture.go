package kube

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/document"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
)

const (
	// missingVolumes counts claims of which a point should have had a snapshot.
	missingVolumes = "kubernetes.volumes"
	// claimsName is the file with the claims as they were; no namespace is called so.
	claimsStem = "_volumes"
	claimsName = claimsStem + ".yaml"
	// cleanTimeout ends the removal of what a failed run has begun: a process that is
	// asked to end has half a minute as a rule.
	cleanTimeout = 20 * time.Second
)

// LogTo has what commands print that freeze volumes written to a log; nil is none. It
// is called before anything else.
func (c *Cluster) LogTo(log *slog.Logger) { c.log = log }

func (c *Cluster) logger() *slog.Logger {
	return cmp.Or(c.log, slog.New(slog.DiscardHandler))
}

// volumeCapture takes the snapshots of a source into a point.
type volumeCapture struct {
	*Cluster
	session *session
	owner   belonging
	cluster string // uid
	claims  *document.Writer
	shown   progress.Task
}

// volumes takes the snapshots of every configured group. It comes last in a
// capture: of a run that fails before there are none.
func (r *capture) volumes(ctx context.Context, show progress.Reporter) ([]CapturedVolumes, error) {
	if len(r.settings.Volumes) == 0 {
		return nil, nil
	}
	file, err := r.draft.Create(ctx, claimsName)
	if err != nil {
		return nil, err
	}
	defer file.Abort()
	run := &volumeCapture{
		Cluster: r.Cluster, session: r.session, claims: document.NewWriter(file),
		owner: belonging{instance: r.draft.Instance(), repository: r.draft.Repository(), source: r.name, point: r.draft.Point()},
		shown: show.Task(r.name+" volumes", progress.Objects, 0),
	}
	defer run.shown.Done()
	if run.cluster, err = r.session.uid(ctx); err != nil {
		return nil, err
	}
	taken, err := run.groups(ctx, r.draft)
	if err != nil {
		return nil, errors.Join(err, run.clean(ctx, r.settings.Volumes))
	}
	return taken, file.Commit()
}

func (r *volumeCapture) groups(ctx context.Context, draft *repository.SourceDraft) ([]CapturedVolumes, error) {
	var taken []CapturedVolumes
	for _, settings := range r.settings.Volumes {
		g := &volumeGroup{volumeCapture: r, Volumes: settings.effective()}
		captured, err := g.take(ctx)
		if err == nil {
			taken = append(taken, captured)
			continue
		}
		if g.OnFailure != toleratesVolumes || ctx.Err() != nil {
			return nil, err
		}
		r.logger().Warn("volumes are missing", "volumes", g.Name, "error", err.Error())
		draft.Missing(missingVolumes, int64(max(len(g.chosen), 1)))
		if err := draft.Detail(volumesDetail{missingVolumes, g.Name, err.Error()}); err != nil {
			return nil, err
		}
		if err := r.clean(ctx, []Volumes{settings}); err != nil {
			r.logger().Warn("snapshots are left that belong to no point", "volumes", g.Name, "error", err.Error())
		}
	}
	return taken, nil
}

// volumesDetail is a line of the point's sealed details.
type volumesDetail struct {
	Code    string `json:"code"`
	Volumes string `json:"volumes"`
	Why     string `json:"why"`
}

// volumeGroup is one group on its way.
type volumeGroup struct {
	*volumeCapture
	Volumes
	chosen []*corev1.PersistentVolumeClaim // by name
}

// take snaps the volumes of the group: all snapshots are begun before any is waited
// for, so that they are as close together as the driver lets them.
func (g *volumeGroup) take(ctx context.Context) (CapturedVolumes, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, g.Timeout.Duration(), errVolumesTimeout)
	defer cancel()
	record := CapturedVolumes{Name: g.Name, Namespace: g.Namespace, Class: g.Class, Cluster: g.cluster}
	if err := g.choose(ctx); err != nil {
		return record, err
	}
	taker, err := g.taker(ctx)
	if err != nil {
		return record, err
	}
	held, err := g.Freeze.frozen(ctx, g.facts(), g.logger(), func(ctx context.Context) error {
		record.Begun = time.Now().UTC()
		if err := taker.begin(ctx); err != nil || g.Freeze == nil {
			return err
		}
		_, err := g.await(ctx, taker, "cut", isCut)
		return err
	})
	if err != nil {
		return record, err
	}
	ready, err := g.await(ctx, taker, "ready", isReady)
	if err != nil {
		return record, err
	}
	record.Ended, record.FrozenSeconds, record.Group = time.Now().UTC(), held.Seconds(), taker.groupName()
	record.Snapshots, err = g.describe(ctx, ready)
	return record, err
}

// facts are what a command that freezes is told, as hooks are.
func (g *volumeGroup) facts() []string {
	return []string{
		"OPENIM_DR_INSTANCE=" + g.owner.instance, "OPENIM_DR_POINT=" + g.owner.point, "OPENIM_DR_SOURCE=" + g.owner.source,
		"OPENIM_DR_VOLUMES=" + g.Name, "OPENIM_DR_NAMESPACE=" + g.Namespace,
	}
}

// choose finds the claims, and refuses those that cannot be snapped.
func (g *volumeGroup) choose(ctx context.Context) error {
	var err error
	if g.chosen, err = g.session.chosenClaims(ctx, g.Volumes); err != nil {
		return err
	}
	for _, claim := range g.chosen {
		if claim.Status.Phase != corev1.ClaimBound {
			return g.fail(fault.Failed, "claim %s is %s: there is no volume to be snapped", claim.Name, strings.ToLower(cmp.Or(string(claim.Status.Phase), "pending"))).
				Hint("`kubectl -n %s describe pvc %s` says why; or choose other claims", g.Namespace, claim.Name)
		}
	}
	for _, claim := range g.chosen {
		if err := g.keep(ctx, claim.Name); err != nil {
			return err
		}
	}
	return nil
}

// keep writes the claim as it is into the point.
func (g *volumeGroup) keep(ctx context.Context, claim string) error {
	u, err := g.session.read(ctx, claimKind, g.Namespace, claim)
	if err != nil {
		return err
	}
	if u == nil {
		return g.fail(fault.Failed, "claim %s was deleted meanwhile", claim).Hint("run it again")
	}
	stripClaim(u)
	return g.claims.Write(u)
}

// chosenClaims lists the claims of a group, by name. No claim is an error: nobody
// configures the snapshots of nothing.
func (s *session) chosenClaims(ctx context.Context, g Volumes) ([]*corev1.PersistentVolumeClaim, error) {
	found, err := listAs[corev1.PersistentVolumeClaim](ctx, s, listing{kind: claimKind, namespace: g.Namespace, selector: g.Selector})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, g.fail(fault.Usage, "its selector chooses no claim in namespace %s", g.Namespace).
			Hint("`kubectl -n %s get pvc --show-labels` lists them; correct selector and namespace", g.Namespace)
	}
	slices.SortFunc(found, func(a, b *corev1.PersistentVolumeClaim) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

func (g Volumes) fail(kind fault.Kind, format string, args ...any) *fault.Error {
	return fault.New(kind, "snap the volumes of", format, args...).On("group " + g.Name)
}

// clean removes the snapshots of this run that belong to some groups. They are
// found by their labels: a create whose answer was lost may have made one, too.
func (r *volumeCapture) clean(ctx context.Context, groups []Volumes) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	var failed []error
	for _, g := range groups {
		found, err := r.session.ownSnapshots(ctx, g.Namespace, r.owner.selector()+","+volumesLabel+"="+labelValue(g.Name), g.Group)
		failed = append(failed, err)
		for _, u := range found {
			failed = append(failed, r.session.discard(ctx, u))
		}
	}
	if err := errors.Join(failed...); err != nil {
		// By its text alone: how the run ends is decided by why it failed.
		return fault.New(fault.Failed, "remove the snapshots of the failed run", "%s; openim-dr prune removes what is left of them", err)
	}
	return nil
}
