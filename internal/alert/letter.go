package alert

import (
	"fmt"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/status"
)

// letter puts news into words. Every message names the heads of the streams, so that
// there is a record outside the repository by which a cut tail is noticed.
func (n *news) letter(instance string, streams []status.Stream) notify.Letter {
	c := &n.concern
	var text strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	if n.occasion == over {
		line("It is over: %s.", c.About)
	} else {
		line("%s", c.Text)
	}
	if c.Why != "" && n.occasion != over {
		line("Why: %s", fault.OneLine(c.Why))
	}
	line("Since: %s", quantity.UTC(n.since))
	if c.Try != "" && n.occasion != over {
		line("What to do: %s", c.Try)
	}
	line("Instance: %s", instance)
	if len(streams) > 0 {
		line("Heads of streams, as openim-dr check --expect-head takes them:")
	}
	for _, s := range streams {
		line("%s=%d:%s", s.Stream, s.Seq, s.Head)
	}
	return notify.Letter{
		Title: fmt.Sprintf("openim-dr %s: %s", instance, n.title()), Text: text.String(),
		Key: "openim-dr/" + instance + "/" + c.About, Over: n.occasion == over, Severity: c.Severity,
	}
}

// title says it in a few words.
func (n *news) title() string {
	words := n.concern.Severity
	switch n.occasion {
	case worsened:
		words = "now " + words
	case reminder:
		words = "still " + words
	case over:
		words = "over"
	case appeared:
	}
	return words + ": " + n.concern.About
}
