package notify

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// harmless are the words in errors of the library and of net/http that say why a
// message was not sent, and what is said in their place. Nothing else of such an error
// is passed on: it quotes URLs, of which every part may be a secret (invariant 4).
var harmless = []struct {
	word, says string
	final      bool // the same message would be refused again
}{
	{"redirect refused", "the server sends it elsewhere, over another scheme or too often", true},
	{"certificate", "the certificate of the server is not trusted", true},
	{"server does not support StartTLS", "the server offers no StartTLS", true},
	{"unencrypted connection", "the server offers no encryption for the password", true},
	{"server gave HTTP response to HTTPS client", "the server speaks no TLS", true},
	{"no such host", "there is no host of that name", false},
	{"server misbehaving", "the name of the host cannot be looked up", false},
	{"connection refused", "the connection was refused", false},
	{"connection reset", "the connection was reset", false},
	{"no route to host", "there is no route to the host", false},
	{"network is unreachable", "the network is unreachable", false},
	{"deadline exceeded", "no answer in time", false},
	{"timeout", "no answer in time", false},
	{"Timeout", "no answer in time", false},
	{"tls: ", "no TLS connection came about", false},
	{"EOF", "the connection was closed", false},
}

var (
	// httpStatus is "404 Not Found" or "status code: 404".
	httpStatus = regexp.MustCompile(`\b([345][0-9][0-9]) ([A-Z][A-Za-z' -]+)|[Ss]tatus(?: code)?:? "?([345][0-9][0-9])\b`)
	// mailReply begins what a mail server answers.
	mailReply = regexp.MustCompile(`(?:^|[ "])([45][0-9][0-9])[ -]`)
)

// reason says why a service has not sent a message.
func reason(service string, err error) answer {
	text := err.Error()
	if code := statusIn(text); code != 0 && service != "smtp" {
		passing := code >= http.StatusInternalServerError || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
		return answer{Reason: fmt.Sprintf("the server answered %d %s", code, http.StatusText(code)), Final: !passing}
	}
	if a, ok := harmlessIn(text); ok {
		return a
	}
	if reply := mailReply.FindStringSubmatch(text); service == "smtp" && reply != nil {
		return answer{Reason: "the mail server answered " + reply[1], Final: reply[1][0] == '5'}
	}
	return answer{Reason: "service " + service + " has not taken it"}
}

// harmlessIn finds what may be said of an error.
func harmlessIn(text string) (a answer, ok bool) {
	for _, h := range harmless {
		if strings.Contains(text, h.word) {
			return answer{Reason: h.says, Final: h.final}, true
		}
	}
	return answer{}, false
}

// statusIn finds the status of an HTTP response in an error, or zero.
func statusIn(text string) int {
	for _, found := range httpStatus.FindAllStringSubmatch(text, -1) {
		digits := found[1] + found[3]
		code, err := strconv.Atoi(digits)
		if err == nil && http.StatusText(code) != "" && (found[3] != "" || strings.HasPrefix(found[2], http.StatusText(code))) {
			return code
		}
	}
	return 0
}
