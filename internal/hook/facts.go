package hook

import (
	"strconv"
	"strings"
)

// Facts are what a hook is told. None of them may be a secret (invariant 4).
type Facts struct {
	Event    Event    `json:"event"`
	Verb     Verb     `json:"verb"`
	Instance string   `json:"instance"`
	Stream   string   `json:"stream"` // of a backup
	Points   []string `json:"points"` // taken or restored from, as far as they are known
	Restore  string   `json:"restore"`
	// Result is "ok", "stopped", or the kind of the failure: "failed", "busy",
	// "usage", "refused" or "corrupt". Before the run it is empty.
	Result     string   `json:"result"`
	ExitCode   *int     `json:"exitCode"`   // nil before the run
	Equal      *bool    `json:"equal"`      // of a restore; nil where nothing was compared
	RTOSeconds *float64 `json:"rtoSeconds"` // of a restore; nil where it did not end
	Seconds    float64  `json:"seconds"`    // since the command began
	Error      string   `json:"error"`
	Hint       string   `json:"hint"`
	Report     string   `json:"report"` // absolute path of the file that --report names
}

// variablePrefix begins the names of all facts in the environment.
const variablePrefix = "OPENIM_DR_"

// variables returns the facts as NAME=value. Every name is always there, with
// nothing behind it where there is nothing to say.
func (f Facts) variables() []string {
	point := ""
	if len(f.Points) > 0 {
		point = f.Points[len(f.Points)-1]
	}
	pairs := [][2]string{
		{"EVENT", string(f.Event)},
		{"VERB", string(f.Verb)},
		{"INSTANCE", f.Instance},
		{"STREAM", f.Stream},
		{"POINT", point},
		{"POINTS", strings.Join(f.Points, " ")},
		{"RESTORE", f.Restore},
		{"RESULT", f.Result},
		{"EXIT_CODE", optional(f.ExitCode, strconv.Itoa)},
		{"EQUAL", optional(f.Equal, strconv.FormatBool)},
		{"RTO_SECONDS", optional(f.RTOSeconds, decimal)},
		{"SECONDS", decimal(f.Seconds)},
		{"ERROR", f.Error},
		{"HINT", f.Hint},
		{"REPORT", f.Report},
	}
	list := make([]string, 0, len(pairs))
	for _, p := range pairs {
		// A NUL ends a variable, and would keep the command from being started.
		list = append(list, variablePrefix+p[0]+"="+strings.ReplaceAll(p[1], "\x00", ""))
	}
	return list
}

func optional[T any](v *T, write func(T) string) string {
	if v == nil {
		return ""
	}
	return write(*v)
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }
