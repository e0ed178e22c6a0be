package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// maxOrder bounds what the process that sends reads.
const maxOrder = 1 << 20

// maxRedirects is how often a server may send a message elsewhere.
const maxRedirects = 3

// Life is how long the process that sends may live at most: whoever started it may not
// be there any more to end it.
const Life = 2 * sendTimeout

// errElsewhere never quotes where to.
var errElsewhere = errors.New("redirect refused")

// Send is all that the process does that sends one message: it reads it from in, and
// says on out how it went. It changes the default HTTP client, and belongs into a
// process of its own.
func Send(in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(io.LimitReader(in, maxOrder)).Decode(&o); err != nil {
		return errors.New("read the message: it is not as it was sent")
	}
	http.DefaultClient.CheckRedirect = sameScheme
	return json.NewEncoder(out).Encode(deliver(o))
}

// sameScheme follows no redirection to where others could read, nor a longer chain.
func sameScheme(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || next.URL.Scheme != via[0].URL.Scheme {
		return errElsewhere
	}
	return nil
}

func deliver(o order) answer {
	if err := Check(o.URL); err != nil {
		return answer{Reason: err.Error(), Final: true}
	}
	name, err := ServiceOf(o.URL)
	if err != nil {
		return answer{Reason: err.Error(), Final: true}
	}
	service, err := open(o.URL)
	if err == nil {
		text, properties := dress(service, name, o.Letter)
		err = service.Send(text, &properties)
	}
	if err != nil {
		return reason(name, err)
	}
	return answer{Sent: true}
}

// dress fits a message to its service: some have titles, and pagers have incidents.
func dress(service types.Service, name string, l Letter) (string, types.Params) {
	text, properties := l.Text, types.Params{}
	if takes(service, types.TitleKey) {
		properties[types.TitleKey] = l.Title
	} else {
		text = l.Title + "\n" + text
	}
	if name == "pagerduty" {
		properties["dedup_key"], properties["severity"], properties["action"] = l.Key, l.Severity, "trigger"
		if l.Over {
			properties["action"] = "resolve"
		}
	}
	return text, properties
}
