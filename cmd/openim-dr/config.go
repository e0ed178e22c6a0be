package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
)

// checked is the result of config check.
type checked struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Problems []problem `json:"problems"`
}

type problem struct {
	Line int    `json:"line"`
	Key  string `json:"key"`
	Text string `json:"text"`
}

func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration, or print its schema, an example, or the rights that it takes",
		Long:  "Check the configuration, or print its schema, an example, or the rights that it takes.\n\n" + exitCodes,
		Args:  noVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(a), newConfigSchema(a), newConfigExample(a), newConfigRBAC(a))
	return cmd
}

func newConfigCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Read the configuration and list everything that is wrong with it",
		Long: `Read the configuration and list everything that is wrong with it, by line. No
problem quotes the file, which may hold a secret in a wrong place. Nothing is
connected to: that is what doctor does.

` + exitCodes,
		Example: `  openim-dr config check --config openim-dr.yaml`,
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return a.configCheck() },
	}
}

func (a *app) configCheck() error {
	path, ok := a.configPath()
	if !ok {
		return usage("check configuration", "no configuration is given").Hint("give --config FILE or set OPENIM_DR_CONFIG")
	}
	_, err := config.Load(path, settingsOfKinds())
	var found config.Problems
	if err != nil && !errors.As(err, &found) {
		return err
	}
	result := checked{File: path, Valid: err == nil, Problems: []problem{}}
	for _, f := range found {
		result.Problems = append(result.Problems, problem{f.Line, f.Key, f.Text})
	}
	a.out.print(result, func(p *page) {
		for _, f := range found {
			p.line("%s: %s", path, f)
		}
		if err == nil {
			p.line("%s: OK", path)
		}
	})
	return err
}

func newConfigSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON schema of the configuration",
		Long:    "Print the JSON schema of the configuration, for editors and charts.\n\n" + exitCodes,
		Example: `  openim-dr config schema > openim-dr.schema.json`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema(settingsOfKinds())
			a.out.raw(string(schema))
			return err
		},
	}
}

func newConfigExample(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a commented configuration to start from",
		Long:    "Print a commented configuration to start from. It is valid as it stands, except\nthat nobody holds its keys: init and backup refuse them.\n\n" + exitCodes,
		Example: `  openim-dr config example > openim-dr.yaml`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			a.out.raw(config.Example)
			return nil
		},
	}
}
