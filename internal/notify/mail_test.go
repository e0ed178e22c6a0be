package notify_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// mailServer takes one mail, in the words of RFC 5321, and answers each command as it
// is told to. Commands that it is told nothing about are all right.
func mailServer(t *testing.T, answers map[string]string) (address string, heard <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	said := make(chan string, 1)
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		said <- converse(connection, answers)
	}()
	return listener.Addr().String(), said
}

// converse answers until the client has gone, and returns all that it said.
func converse(connection net.Conn, answers map[string]string) string {
	var heard strings.Builder
	reply := func(text string) { fmt.Fprintf(connection, "%s\r\n", text) }
	reply("220 mail.example.org ready")
	data := false
	for lines := bufio.NewScanner(connection); lines.Scan(); {
		line := lines.Text()
		heard.WriteString(line + "\n")
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch answer, told := answers[verb]; {
		case data && line != ".":
		case data:
			data = false
			reply("250 taken")
		case told:
			reply(answer)
		case verb == "EHLO":
			reply("250-mail.example.org\r\n250 AUTH PLAIN")
		case verb == "AUTH":
			reply("235 welcome")
		case verb == "DATA":
			data = true
			reply("354 go on")
		case verb == "QUIT":
			reply("221 goodbye")
			return heard.String()
		default:
			reply("250 well")
		}
	}
	return heard.String()
}

func mailURL(address, query string) string {
	return "smtp://someone:" + hush + "@" + address + "/?from=openim-dr@example.org&to=oncall@example.org" + query
}

// A mail has the title as its subject.
func TestMail(t *testing.T) {
	t.Parallel()
	address, heard := mailServer(t, nil)
	if err := sender(t).Send(t.Context(), held(t, mailURL(address, "")), letter); err != nil {
		t.Fatal(err)
	}
	mail := <-heard
	for _, want := range []string{"MAIL FROM:<openim-dr@example.org>", "RCPT TO:<oncall@example.org>", "Subject: " + letter.Title, strings.TrimSpace(letter.Text)} {
		if !strings.Contains(mail, want) {
			t.Errorf("%q is not in the mail:\n%s", want, mail)
		}
	}
}

// What a mail server refuses is told by its number; a password goes to no server that
// offers no encryption, where that is asked for.
func TestMailRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answers map[string]string
		query   string
		want    string
		kind    fault.Kind
	}{
		"a wrong password":    {map[string]string{"AUTH": "535 5.7.8 no, " + hush + " is wrong"}, "", "the mail server answered 535", fault.Usage},
		"a full mailbox":      {map[string]string{"RCPT": "452 4.2.2 full: " + hush}, "", "the mail server answered 452", fault.Failed},
		"StartTLS is a must":  {nil, "&requirestarttls=yes", "the server offers no StartTLS", fault.Usage},
		"StartTLS of nobody":  {map[string]string{"EHLO": "250-x\r\n250 STARTTLS", "STARTTLS": "454 4.7.0 not now"}, "", "the mail server answered 454", fault.Failed},
		"it hangs up at once": {map[string]string{"EHLO": "421 closing", "HELO": "421 closing"}, "", "the mail server answered 421", fault.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, _ := mailServer(t, tt.answers)
			err := sender(t).Send(t.Context(), held(t, mailURL(address, tt.query)), letter)
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != tt.kind {
				t.Errorf("got %v (%v), want %q (%v)", err, fault.KindOf(err), tt.want, tt.kind)
			}
			requireHushed(t, err)
		})
	}
}
