package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/web"
)

// app is what every verb shares: the common flags and where output goes.
type app struct {
	common  commonFlags
	stdin   io.Reader
	out     *printer
	console *console
	log     *slog.Logger
	// wrap is put around every storage driver: tests make faults there.
	wrap func(storage.Storage) storage.Storage
	// given is the configuration where it was read already. It is shared, and nobody
	// changes it.
	given *config.Config
	// background says that the verb runs beside others in one process.
	background bool
	// also is told of progress, besides whoever runs the verb, and activity of jobs.
	also     progress.Reporter
	activity *web.Activity
	// goOn is what to do after a signal, where running it again is not it.
	goOn string
}

// asIs leaves a driver as it is.
func asIs(s storage.Storage) storage.Storage { return s }

type commonFlags struct {
	config     string
	repository string
	trust      []string
	output     string
	logLevel   string
	noProgress bool
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{stdin: stdin, out: newPrinter(stdout, stderr), console: newConsole(stderr), log: slog.New(slog.DiscardHandler), wrap: asIs}
}

// exitCodes closes the help of every verb.
const exitCodes = `Exit codes:
  0  done
  1  failed, but could succeed unchanged later: unreachable, timeout, full disk, stopped
  2  flags, configuration, credentials, rights or an unsupported server stand in the way
  3  stored or restored bytes are not what they must be
  4  refused for safety: occupied target, untrusted point, foreign instance, shrunken source, clock
  5  busy: another process holds what this one needs`

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "openim-dr",
		Short: "Backup and disaster recovery for OpenIM",
		Long: `openim-dr takes recovery points of an OpenIM deployment (MySQL, S3 buckets,
Kubernetes objects), seals them with age, keeps them in Google Cloud Storage, an
S3 service that refuses to overwrite, or a directory, and brings them back.

` + exitCodes,
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
		Args:                       noVerb,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.out.stdout)
	root.SetErr(a.out.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// A flag of a verb that is misspelt is read as one of the program's own.
		if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
			return noVerb(cmd, words)
		}
		return usage(cmd.CommandPath(), "%w", plainFlag(err)).Hint("%s --help", cmd.CommandPath())
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.setUp(cmd.Name()) }
	a.addCommonFlags(root)
	root.AddCommand(
		newInit(a), newKeygen(a), newBackup(a), newStatus(a), newList(a), newShow(a), newChanges(a), newCheck(a), newCopy(a), newRestore(a), newVerify(a), newRunbook(a), newRun(a),
		newPrune(a), newForget(a), newUndelete(a), newHold(a), newUnhold(a), newRekey(a), newShred(a),
		newConfig(a), newDoctor(a), newNotify(a), newSendNotification(a), newVersion(a),
	)
	refuseUnknownHelp(root)
	return root
}

// refuseUnknownHelp lets help of a verb that there is not be the error that the verb
// itself is; cobra prints the help of the program.
func refuseUnknownHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil && help != root {
		help.Long += "\n\n" + exitCodes
		help.Example = "  openim-dr help restore\n  openim-dr help config rbac"
		help.Args = func(_ *cobra.Command, args []string) error {
			if cmd, rest, _ := root.Find(args); cmd.HasSubCommands() {
				return noVerb(cmd, rest)
			}
			return nil
		}
	}
}

// plainFlag says what a flag takes, where the flag library says how it parses.
func plainFlag(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) || invalid.GetFlag().Value.Type() != "bool" {
		return err
	}
	return fmt.Errorf("--%s takes true or false, or nothing for true; got %q", invalid.GetFlag().Name, invalid.GetValue())
}

func (a *app) addCommonFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.common.config, "config", "", "configuration `FILE`; default $OPENIM_DR_CONFIG")
	flags.StringVar(&a.common.repository, "repository", "", "`URL` of the repository instead of the configured one: gs://BUCKET/PREFIX, s3://BUCKET/PREFIX?endpoint=https://HOST:PORT (keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or a directory; or the name of a copy")
	flags.StringArrayVar(&a.common.trust, "trust", nil, "trust a signer's public `KEY[=role,role]` besides the configured ones; without roles in all of them")
	flags.StringVarP(&a.common.output, "output", "o", "text", "results as `text|json`")
	flags.StringVar(&a.common.logLevel, "log-level", "info", "log `debug|info|warn|error` and worse")
	flags.BoolVar(&a.common.noProgress, "no-progress", false, "show no progress")
}

// setUp turns the common flags into a printer and a logger.
func (a *app) setUp(verb string) error {
	raw := a.common.output == rawOutput && verb == "restore"
	if a.common.output != "text" && a.common.output != "json" && !raw {
		return usage("read flags", "-o takes text or json")
	}
	a.out.json = a.common.output == "json"
	var level slog.Level
	known := []string{"debug", "info", "warn", "error"}
	if err := level.UnmarshalText([]byte(a.common.logLevel)); err != nil || !containsFold(known, a.common.logLevel) {
		return usage("read flags", "--log-level takes one of %s", strings.Join(known, ", "))
	}
	a.log = a.console.logger(level)
	return nil
}

// debugs reports whether all that is known shall be printed.
func (a *app) debugs() bool { return strings.EqualFold(a.common.logLevel, "debug") }

// rawOutput is an object's content on standard output, instead of a result.
const rawOutput = "-"

func containsFold(list []string, s string) bool {
	for _, l := range list {
		if strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}

// usage is an error in what the operator typed or configured.
func usage(doing, format string, args ...any) *fault.Error {
	return fault.New(fault.Usage, doing, format, args...)
}

// noVerb refuses what is not one of the verbs.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	e := usage(cmd.CommandPath(), "there is no verb %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return e.Hint("did you mean %s?", strings.Join(near, " or "))
	}
	return e.Hint("%s --help lists them", cmd.CommandPath())
}

// noArgs and maxArgs check the number of arguments in this program's words.
func noArgs(cmd *cobra.Command, args []string) error { return countArgs(cmd, args, 0, 0) }

func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return countArgs(cmd, args, least, most) }
}

func countArgs(cmd *cobra.Command, args []string, least, most int) error {
	if len(args) >= least && len(args) <= most {
		return nil
	}
	want := fmt.Sprintf("%d to %s", least, plural(int64(most), "argument"))
	if least == most {
		want = plural(int64(least), "argument")
	}
	return usage(cmd.CommandPath(), "it takes %s, got %d", want, len(args)).Hint("%s", strings.TrimSpace(cmd.UseLine()))
}

// configPath returns the file that --config or the environment names.
func (a *app) configPath() (path string, ok bool) {
	if a.common.config != "" {
		return a.common.config, true
	}
	path = os.Getenv("OPENIM_DR_CONFIG")
	return path, path != ""
}
