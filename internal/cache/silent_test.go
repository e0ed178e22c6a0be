package cache

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Redis waits for the end of a line that is a greeting of TLS, and other servers
// answer something.
func TestTLSWhereThereIsNone(t *testing.T) {
	talker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { talker.Close() })
	go func() {
		for {
			conn, err := talker.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("-ERR this is no greeting\r\n"))
			conn.Close()
		}
	}()
	tests := map[string]struct {
		address string
		kind    fault.Kind
		saying  string
	}{
		"a server that keeps silent": {testbed.Need(t).RedisAddress, fault.Failed, "one that speaks no TLS there keeps silent like that"},
		"a server that answers":      {talker.Addr().String(), fault.Usage, "the server does not speak TLS there"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := New(Settings{Name: "c", Address: tt.address, TLS: tlsmode.Required}, Keys{Delete: []string{"A:*"}})
			if err != nil {
				t.Fatal(err)
			}
			c.dial = 200 * time.Millisecond
			_, err = c.Purge(t.Context())
			e, ok := fault.Outermost(err)
			if !ok || e.Kind != tt.kind || !strings.Contains(err.Error()+e.Try, tt.saying) || !strings.Contains(e.Try, "tls: disabled") {
				t.Errorf("error %v, want one of kind %s that says %q", err, tt.kind, tt.saying)
			}
		})
	}
}
