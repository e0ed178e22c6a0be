package main

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/kube"
)

type rbacFlags struct {
	account  string
	purposes []string
	source   string
}

func newConfigRBAC(a *app) *cobra.Command {
	var flags rbacFlags
	cmd := &cobra.Command{
		Use:   "rbac",
		Short: "Print the least rights that this configuration takes in a cluster",
		Long: `Print a ServiceAccount, and Roles and bindings with the least rights that this
configuration takes in the cluster of its source of kind kubernetes, for kubectl
apply. Namespaces that the configuration names get Roles; where it has patterns of
them it takes a ClusterRole. Each purpose has roles of its own, to be granted and
taken away apart. Comments say why.

Nothing is changed. The cluster is asked which kinds it serves, with the kubeconfig
of the source; not so where only secrets and configmaps are captured.

` + exitCodes,
		Example: `  openim-dr config rbac --service-account openim-dr/backup | kubectl apply -f -
  openim-dr config rbac --service-account openim-dr/restore --for restore,volumes,quiesce
  openim-dr config rbac --service-account openim-dr/prune --for prune
  openim-dr config rbac --service-account openim-dr/drill --for drill | kubectl --context scratch apply -f -
  openim-dr config rbac --source cluster | kubectl apply --server-side --dry-run=server -f -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.configRBAC(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.account, "service-account", "openim-dr/openim-dr", "`NAMESPACE/NAME` of the account")
	cmd.Flags().StringSliceVar(&flags.purposes, "for", nil, "what it may do: backup, restore, volumes (claims of snapshots, with restore), quiesce, prune (snapshots of volumes), drill (in the cluster of verify.given), doctor, elect; default backup, and elect where daemon.election is kubernetes")
	cmd.Flags().StringVar(&flags.source, "source", "", "the source, where several are of kind kubernetes")
	return cmd
}

const printingRights = "print the rights of a configuration"

func (a *app) configRBAC(ctx context.Context, flags rbacFlags) error {
	path, ok := a.configPath()
	if !ok {
		return usage(printingRights, "no configuration is given").Hint("give --config FILE or set OPENIM_DR_CONFIG")
	}
	account, err := kube.ParseAccount(flags.account)
	if err != nil {
		return err
	}
	c, err := a.loadConfig(path)
	if err != nil {
		return err
	}
	accesses, err := accessesOf(ctx, c, account, flags)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := account.Manifests(&text, accesses...); err != nil {
		return err
	}
	a.out.raw(text.String())
	return nil
}

// accessesOf computes what each purpose takes, in one cluster.
func accessesOf(ctx context.Context, c *config.Config, account kube.Account, flags rbacFlags) ([]*kube.Access, error) {
	purposes, err := purposesOf(c, flags.purposes)
	if err != nil {
		return nil, err
	}
	if q := c.Quiesce; q != nil && q.Kubeconfig+q.Context != "" && slices.Contains(purposes, kube.ForQuiesce) && len(purposes) > 1 {
		return nil, usage(printingRights, "quiesce has a kubeconfig of its own, whose cluster may be another one").Hint("print its rights apart: openim-dr config rbac --for quiesce")
	}
	if slices.Contains(purposes, kube.ForDrill) && len(purposes) > 1 {
		return nil, usage(printingRights, "drills have a cluster of their own, that of verify.given").Hint("print its rights apart: openim-dr config rbac --for drill")
	}
	sources := slices.DeleteFunc(slices.Clone(c.Sources), func(s config.Source) bool {
		return s.Kind != kube.Kind || flags.source != "" && s.Name != flags.source
	})
	var accesses []*kube.Access
	for _, purpose := range purposes {
		if purpose == kube.ForElect {
			accesses = append(accesses, electionAccess(c, account))
			continue
		}
		access, err := accessOf(ctx, c, sources, purpose, flags.source)
		if err != nil {
			return nil, err
		}
		accesses = append(accesses, access)
	}
	return accesses, nil
}

func accessOf(ctx context.Context, c *config.Config, sources []config.Source, purpose kube.Purpose, name string) (*kube.Access, error) {
	if purpose == kube.ForQuiesce {
		q, err := newQuiescer(c, sources, false)
		if err != nil {
			return nil, err
		}
		return q.Access(), nil
	}
	switch len(sources) {
	case 0:
		return nil, usage(printingRights, "there is no source of kind kubernetes%s", named(name)).Hint("openim-dr config example shows one")
	case 1:
	default:
		return nil, usage(printingRights, "there are %s of kind kubernetes", plural(int64(len(sources)), "source")).
			Hint("give one with --source: %s", strings.Join(namesOf(sources), ", "))
	}
	settings := sources[0].Settings.(*kube.Settings) // the table keeps kinds and settings together
	if purpose == kube.ForDrill {
		given, err := givenCluster(c, sources[0].Name)
		if err != nil {
			return nil, err
		}
		settings = settings.At(given)
	}
	cluster, err := kube.New(sources[0].Name, settings)
	if err != nil {
		return nil, err
	}
	return cluster.AccessFor(ctx, purpose)
}

// givenCluster is where a drill offers the documents of a source to a server.
func givenCluster(c *config.Config, source string) (*kube.Settings, error) {
	var target []config.Source
	if c.Verify != nil {
		target = c.Targets[c.Verify.Given]
	}
	at := slices.IndexFunc(target, func(s config.Source) bool { return s.Name == source && s.Kind == kube.Kind })
	if at < 0 {
		return nil, usage(printingRights, "the target verify.given has no cluster for source %q", source).
			Hint("without one a drill asks no server, and takes no right; docs/VERIFY.md says how to give one")
	}
	return target[at].Settings.(*kube.Settings), nil //nolint:forcetypeassert // of this kind
}

// electionAccess is in the namespace of the Lease, which is by default that of the pod.
func electionAccess(c *config.Config, account kube.Account) *kube.Access {
	s := leaseSettings(c)
	s.Namespace = cmp.Or(s.Namespace, account.Namespace)
	return kube.ElectionAccess(s)
}

// purposesOf reads --for, in the order in which things are printed.
func purposesOf(c *config.Config, given []string) ([]kube.Purpose, error) {
	if given == nil {
		captured := slices.ContainsFunc(c.Sources, func(s config.Source) bool { return s.Kind == kube.Kind })
		if captured || !c.ElectedByKubernetes() {
			given = append(given, string(kube.ForBackup))
		}
		if c.ElectedByKubernetes() {
			given = append(given, string(kube.ForElect))
		}
	}
	all := []kube.Purpose{kube.ForBackup, kube.ForRestore, kube.ForVolumes, kube.ForQuiesce, kube.ForPrune, kube.ForDrill, kube.ForDoctor, kube.ForElect}
	for _, name := range given {
		if !slices.Contains(all, kube.Purpose(name)) {
			return nil, usage(printingRights, "there is no purpose %q", name).Hint("--for takes backup, restore, volumes, quiesce, prune, drill, doctor, elect, or several of them with commas")
		}
	}
	if slices.Contains(given, string(kube.ForElect)) && !c.ElectedByKubernetes() {
		return nil, usage(printingRights, "daemon.election is not kubernetes").Hint("leave elect out of --for")
	}
	chosen := slices.DeleteFunc(all, func(p kube.Purpose) bool { return !slices.Contains(given, string(p)) })
	if len(chosen) == 0 {
		return nil, usage(printingRights, "--for names no purpose")
	}
	return chosen, nil
}
