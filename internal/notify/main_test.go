package notify_test

import (
	"os"
	"testing"

	"github.com/openim-dr/openim-dr/internal/notify"
)

// sending is what this test program is called where it is to send a message.
const sending = "send-notification"

func TestMain(m *testing.M) {
	if os.Args[0] == sending {
		if notify.Send(os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func sender(t *testing.T) *notify.Sender {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &notify.Sender{Program: program, Name: sending}
}
