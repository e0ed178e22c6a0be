package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// kubeNamespaces have kubeObjects objects together, half of them Secrets and half
	// ConfigMaps, of kubeBytes bytes each.
	kubeNamespaces = 10
	kubeObjects    = 20_000
	kubeBytes      = 1_500
	kubeWriters    = 16
	kubePage       = 500 // as kubectl asks for

	kubeLimit  = 3  // times the bare listing
	kubeMemory = 96 // MiB

	kubeListCommand = "the same lists in pages of 500 through client-go, decoded and thrown away"
)

// kubeBench is the state of the part that exports a cluster.
type kubeBench struct {
	options
	client     kubernetes.Interface
	namespaces []string
	tool       tool

	export, listing []measurement
}

// benchKube exports many objects into a directory, in turn with bare listings.
func benchKube(ctx context.Context, o options) (_ []result, err error) {
	b, kubeconfig, err := newKubeBench(o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	defer func() { err = errors.Join(err, b.clear(context.WithoutCancel(ctx))) }()
	if err := b.seed(ctx); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	fmt.Printf("kube: seeded %d objects in %.0f s\n", kubeObjects, time.Since(began).Seconds())
	dir := filepath.Join(o.out, "kube")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("sources:\n  - {name: cluster, kind: kubernetes, kubeconfig: %q, namespaces: [%s]}\n", kubeconfig, strings.Join(b.namespaces, ", "))
	if b.tool, err = newTool(ctx, o.binary, dir, filepath.Join(dir, "repository"), config); err != nil {
		return nil, err
	}
	if _, err := b.list(ctx); err != nil { // the server fills its caches
		return nil, err
	}
	for round := range o.rounds {
		if err := b.round(ctx); err != nil {
			return nil, err
		}
		fmt.Printf("kube: round %d of %d: listing %.1f s; export %.1f s, %d MiB\n", round+1, o.rounds,
			b.listing[round].elapsed.Seconds(), b.export[round].elapsed.Seconds(), b.export[round].memory>>20)
	}
	compared := against("kube.export/listing", kubeLimit, b.export, b.listing)
	compared.PeerCommand = kubeListCommand
	compared.Note = fmt.Sprintf("%d objects in %d namespaces", kubeObjects, kubeNamespaces)
	return []result{compared, peak("kube.export.memory", kubeMemory, b.export)}, nil
}

func newKubeBench(o options) (*kubeBench, string, error) {
	env, err := readEnv(o.env)
	if err != nil {
		return nil, "", err
	}
	if env["KUBECONFIG"] == "" {
		return nil, "", fmt.Errorf("KUBECONFIG %w", errNotThere)
	}
	config, err := clientcmd.BuildConfigFromFlags("", env["KUBECONFIG"])
	if err != nil {
		return nil, "", err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, "", err
	}
	b := &kubeBench{options: o, client: client}
	for n := range kubeNamespaces {
		b.namespaces = append(b.namespaces, fmt.Sprintf("bench-%d-%d", os.Getpid(), n))
	}
	return b, env["KUBECONFIG"], nil
}

// round measures each once.
func (b *kubeBench) round(ctx context.Context) error {
	listed, err := b.list(ctx)
	if err != nil {
		return err
	}
	b.listing = append(b.listing, listed)
	exported, err := b.tool.backup(ctx)
	b.export = append(b.export, exported)
	return err
}

// list reads every object in pages and keeps none.
func (b *kubeBench) list(ctx context.Context) (m measurement, err error) {
	began, objects := time.Now(), 0
	for _, namespace := range b.namespaces {
		secrets := func(o metav1.ListOptions) (string, int, error) {
			page, err := b.client.CoreV1().Secrets(namespace).List(ctx, o)
			return page.GetContinue(), len(page.Items), err
		}
		configMaps := func(o metav1.ListOptions) (string, int, error) {
			page, err := b.client.CoreV1().ConfigMaps(namespace).List(ctx, o)
			return page.GetContinue(), len(page.Items), err
		}
		for _, list := range []func(metav1.ListOptions) (string, int, error){secrets, configMaps} {
			for o := (metav1.ListOptions{Limit: kubePage}); ; {
				next, found, err := list(o)
				if err != nil {
					return m, err
				}
				objects += found
				if o.Continue = next; next == "" {
					break
				}
			}
		}
	}
	m.elapsed = time.Since(began)
	if objects != kubeObjects {
		return m, fmt.Errorf("the listing has %d objects, and %d were made", objects, kubeObjects)
	}
	return m, nil
}

// seed makes namespaces and objects, each with a content of its own.
func (b *kubeBench) seed(ctx context.Context) error {
	for _, name := range b.namespaces {
		if _, err := b.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	random := rand.New(rand.NewPCG(20261123, 9))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(kubeWriters)
	for n := range kubeObjects {
		namespace, content := b.namespaces[n%kubeNamespaces], make([]byte, kubeBytes)
		for i := range content {
			content[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \n"[random.IntN(64)]
		}
		meta := metav1.ObjectMeta{Name: fmt.Sprintf("object-%05d", n), Labels: map[string]string{"app": "bench"}}
		group.Go(func() error {
			if n/kubeNamespaces%2 == 0 {
				_, err := b.client.CoreV1().Secrets(namespace).Create(working, &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"content": content}}, metav1.CreateOptions{})
				return err
			}
			_, err := b.client.CoreV1().ConfigMaps(namespace).Create(working, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"content": string(content)}}, metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

// clear removes the namespaces, as the controller would that the testbed has not.
func (b *kubeBench) clear(ctx context.Context) error {
	var failed []error
	core, now, all := b.client.CoreV1(), metav1.DeleteOptions{}, metav1.ListOptions{}
	for _, name := range b.namespaces {
		namespace, err := core.Namespaces().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			continue // it was not made
		}
		namespace.Spec.Finalizers, namespace.ResourceVersion = nil, ""
		failed = append(failed, core.Secrets(name).DeleteCollection(ctx, now, all), core.ConfigMaps(name).DeleteCollection(ctx, now, all), core.Namespaces().Delete(ctx, name, now))
		_, err = core.Namespaces().Finalize(ctx, namespace, metav1.UpdateOptions{})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
