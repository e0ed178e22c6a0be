package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/mysql"
	"github.com/openim-dr/openim-dr/internal/scratch"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
)

// scratchPeers opens the servers that are given to drills, and all others that
// are configured. Kinds that say no identity are not restored into.
func scratchPeers(c *config.Config) (given, others []scratch.Peer, err error) {
	add := func(list *[]scratch.Peer, prefix string, sources []config.Source) error {
		for _, s := range sources {
			o, err := openSource(s, sourceOptions{limits: c.Limits})
			if err != nil {
				return err
			}
			if _, ok := o.Source.(source.Identified); ok {
				*list = append(*list, scratch.Peer{Name: prefix + s.Name, Source: o.Source})
			}
		}
		return nil
	}
	if err := add(&others, "source ", c.Sources); err != nil {
		return nil, nil, err
	}
	for name, sources := range c.Targets {
		list := &others
		if name == c.Verify.Given {
			list = &given
		}
		if err := add(list, "target "+name+"/", sources); err != nil {
			return nil, nil, err
		}
	}
	return given, others, nil
}

// examineDrills looks whether a drill could be done. It starts and changes nothing.
func examineDrills(ctx context.Context, d *deployment) []source.Finding {
	if d.config.Verify == nil {
		return []source.Finding{{
			Check: "verify.configured", Severity: source.Warning, Evidence: "no drills are configured: nothing proves that a point can be restored",
			Remedy: "add the section verify; `openim-dr config example` shows one",
		}}
	}
	findings := examineDrillKeys(d)
	if d.config.Verify.Scratch == config.ScratchGiven {
		return append(findings, examineGiven(ctx, d.config)...)
	}
	return append(findings, examineDocker(ctx, d.config)...)
}

// examineDrillKeys looks whether a drill would open the points, and whether its
// proofs would count.
func examineDrillKeys(d *deployment) []source.Finding {
	var findings []source.Finding
	if v := d.config.Verify; v.Identity.IsZero() {
		findings = append(findings, source.Finding{
			Check: "verify.identity", Severity: source.Warning, Evidence: "verify.identity names no key: drills open points only where somebody gives --identity",
			Remedy: "make one with `openim-dr keygen drill --out FILE`, name it there, and its public half in repository.drillRecipient",
		})
	} else if err := requireDrillIdentity(d.config); err != nil {
		findings = append(findings, found("verify.identity", "", err))
	} else {
		findings = append(findings, fine("verify.identity", "the key of drills is readable, and points are sealed to it"))
	}
	signer, err := readSigner(cmp.Or(d.config.Verify.SigningKey, d.config.Repository.SigningKey))
	if err == nil {
		err = requireRole(d.trust, signer, seal.RoleDrill)
	}
	if err != nil {
		return append(findings, found("verify.signer", "", err))
	}
	return append(findings, fine("verify.signer", "the key that signs proofs is trusted in the role drill"))
}

// requireDrillIdentity fails where the points are not sealed to the key of drills.
func requireDrillIdentity(c *config.Config) error {
	text, err := c.Verify.Identity.Resolve()
	if err != nil {
		return usage("read drill identity", "%w", err).Hint("make one: openim-dr keygen drill --out FILE")
	}
	identities, err := seal.ParseIdentities([]byte(text))
	if err != nil {
		return usage("read drill identity", "%w", err).On(string(c.Verify.Identity)).Hint("make one: openim-dr keygen drill --out FILE")
	}
	operators, drill, err := recipientsOf(c)
	if err != nil {
		return err
	}
	if drill != nil {
		operators = append(operators, *drill)
	}
	for _, i := range identities {
		if slices.ContainsFunc(operators, func(r seal.Recipient) bool { return r.String() == i.Recipient().String() }) {
			return nil
		}
	}
	return usage("open points with the drill identity", "no point is sealed to it").On(string(c.Verify.Identity)).
		Hint("name its public half in repository.drillRecipient: %s", identities[0].Recipient())
}

// examineDocker looks whether scratch servers could be started.
func examineDocker(ctx context.Context, c *config.Config) []source.Finding {
	engine, err := scratch.Look(ctx, slog.Default(), scratchImages(c)...)
	if err != nil {
		return []source.Finding{found("verify.docker", "", err)}
	}
	findings := []source.Finding{fine("verify.docker", fmt.Sprintf("the Docker engine answers, version %s at %s", engine.Version, engine.Host))}
	if len(engine.Missing) > 0 {
		findings = append(findings, source.Finding{
			Check: "verify.images", Severity: source.Warning, Evidence: "the Docker engine would have to pull " + strings.Join(engine.Missing, ", "),
			Remedy: "pull or load it beforehand, lest a drill fail because a registry does not answer",
		})
	}
	return findings
}

// scratchImages are the images that drills need, as far as that is known without
// a point.
func scratchImages(c *config.Config) []string {
	kinds := map[string]bool{}
	for _, s := range c.Sources {
		kinds[s.Kind] = true
	}
	var images []string
	if kinds[mysql.Kind] && c.Verify.MySQLImage != "" {
		images = append(images, c.Verify.MySQLImage)
	}
	if kinds[bucket.Kind] {
		images = append(images, cmp.Or(c.Verify.SeaweedFSImage, scratch.DefaultSeaweedFSImage))
	}
	return images
}

// examineGiven looks whether a drill would take the servers that are given to it.
func examineGiven(ctx context.Context, c *config.Config) []source.Finding {
	given, others, err := scratchPeers(c)
	if err != nil {
		return []source.Finding{found("verify.given", "", err)}
	}
	unanswered, err := scratch.RequireScratch(ctx, given, others)
	if err != nil {
		return []source.Finding{found("verify.given", "", err)}
	}
	evidence := fmt.Sprintf("%s of target %s hold nothing, and are none of the other servers", plural(int64(len(given)), "server"), c.Verify.Given)
	if len(unanswered) > 0 {
		evidence += "; of " + strings.Join(unanswered, ", ") + " only the address was compared, since no answer came"
	}
	return []source.Finding{fine("verify.given", evidence)}
}
