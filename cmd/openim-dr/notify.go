package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/notify"
)

// sendVerb is what the process is started with that sends one message. It is for this
// program alone.
const sendVerb = "send-notification"

func newSendNotification(a *app) *cobra.Command {
	return &cobra.Command{
		Use: sendVerb, Hidden: true, Args: noArgs,
		Short: "Send the notification that is read from standard input",
		Long: `Send the notification that is read from standard input, and say how it went. openim-dr
starts itself so; what is read and said is for no one else.

` + exitCodes,
		Example: "  openim-dr " + sendVerb,
		RunE: func(*cobra.Command, []string) error {
			time.AfterFunc(notify.Life, func() { os.Exit(1) })
			return notify.Send(a.stdin, a.out.stdout)
		},
	}
}

// newSender sends by this program, whatever has become of its file since it was started.
func newSender() (*notify.Sender, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fault.New(fault.Failed, "find the program that is running", "%w", err)
	}
	return &notify.Sender{Program: program, Name: "openim-dr", Args: []string{sendVerb}}, nil
}

func newNotify(a *app) *cobra.Command {
	var test bool
	cmd := &cobra.Command{
		Use:   "notify --test [NAME...]",
		Short: "Send a test message through the configured notifications",
		Long: `Send a test message through every notification of the configuration, or through
those that are named, and say of each how it went. Nothing of a URL is printed: URLs
of chats and pagers are secrets. A pager opens an incident and closes it again.

openim-dr run sends notifications by itself; docs/NOTIFICATIONS.md says of what.

` + exitCodes,
		Example: `  openim-dr notify --test
  openim-dr notify --test oncall`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if !test {
				return usage("notify", "it sends nothing but tests").Hint("openim-dr notify --test; openim-dr run tells what is wrong by itself")
			}
			return a.testNotifications(cmd.Context(), names)
		},
	}
	cmd.Flags().BoolVar(&test, "test", false, "send a test message")
	return cmd
}

// tested is how the test of one notification went.
type tested struct {
	Name    string  `json:"name"`
	Service string  `json:"service"` // empty where the URL cannot be read
	Sent    bool    `json:"sent"`
	Reason  string  `json:"reason,omitempty"` // why not
	Seconds float64 `json:"seconds"`
}

func (a *app) testNotifications(ctx context.Context, names []string) error {
	d, err := a.configured("notify")
	if err != nil {
		return err
	}
	chosen, err := chooseNotifications(d.config.Notifications, names)
	if err != nil {
		return err
	}
	sender, err := newSender()
	if err != nil {
		return err
	}
	results := make([]tested, 0, len(chosen))
	var worst error
	for _, n := range chosen {
		result, err := testNotification(ctx, sender, d.config.Instance, n)
		if results = append(results, result); err != nil && (worst == nil || fault.KindOf(err) > fault.KindOf(worst)) {
			worst = err
		}
	}
	a.out.print(results, func(p *page) {
		rows := make([][]any, 0, len(results))
		for _, r := range results {
			outcome := "sent"
			if !r.Sent {
				outcome = r.Reason
			}
			rows = append(rows, []any{r.Name, r.Service, outcome, seconds(r.Seconds)})
		}
		p.table([]column{left("notification"), left("service"), left("result"), number("time")}, rows)
	})
	return worst
}

// chooseNotifications returns those of some names, or all.
func chooseNotifications(all []config.Notification, names []string) ([]config.Notification, error) {
	if len(all) == 0 {
		return nil, usage("notify", "the configuration has no notifications").Hint("`openim-dr config example` shows how they are written")
	}
	if len(names) == 0 {
		return all, nil
	}
	var chosen []config.Notification
	for _, name := range names {
		i := slices.IndexFunc(all, func(n config.Notification) bool { return n.Name == name })
		if i < 0 {
			return nil, usage("notify", "the configuration has no notification %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func testNotification(ctx context.Context, sender *notify.Sender, instance string, n config.Notification) (tested, error) {
	began := time.Now()
	result := tested{Name: n.Name}
	if address, err := n.URL.Resolve(); err == nil {
		if service, err := notify.ServiceOf(address); err == nil {
			result.Service = service
		}
	}
	letter := notify.Letter{
		Title: "openim-dr " + instance + ": test", Text: "This is a test of notification " + n.Name + ". Nothing is wrong.\nInstance: " + instance + "\n",
		Key: "openim-dr/" + instance + "/test", Severity: "warning",
	}
	err := sender.Send(ctx, n.URL, letter)
	if err == nil && result.Service == "pagerduty" {
		letter.Over = true
		err = sender.Send(ctx, n.URL, letter)
	}
	result.Sent, result.Seconds = err == nil, time.Since(began).Seconds()
	if e, ok := fault.Outermost(err); ok {
		result.Reason = e.Reason()
		e.Doing = "test notification " + n.Name
	}
	return result, err
}
