package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// disguise is a proxy before the real server that passes for another one: it
// greets with another version, does not know what that version does not know,
// and rewrites a statement so that its answer looks as it would there. Rows,
// chunks and loads pass through, so that a whole dump and a whole restore can
// be had from a version that is not at hand. It has no TLS.
type disguise struct {
	version string
	comment string
	unknown []refused
	rewrite []rewritten

	mu   sync.Mutex
	sent []string // every statement of the client
	met  []string // those that were refused
}

// refused is what the version does not know, and how it says so.
type refused struct {
	statement *regexp.Regexp
	number    uint16
	state     string
}

// rewritten replaces a statement by another.
type rewritten struct {
	statement *regexp.Regexp
	with      string
}

// stand starts the proxy and returns its address.
func (d *disguise) stand(t *testing.T, before string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	t.Cleanup(func() { listener.Close(); wait.Wait() })
	wait.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", before)
				if err != nil {
					t.Errorf("reach the server behind the disguise: %v", err)
					return
				}
				defer server.Close()
				if err := d.serve(client, server); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					t.Logf("connection in disguise: %v", err)
				}
			})
		}
	})
	return listener.Addr().String()
}

// readPacket reads one packet: its number and its content.
func readPacket(from io.Reader) (number byte, content []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, err
	}
	content = make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err = io.ReadFull(from, content)
	return head[3], content, err
}

func writePacket(to io.Writer, number byte, content []byte) error {
	n := len(content)
	_, err := to.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), number}, content...))
	return err
}

func (d *disguise) serve(client, server net.Conn) error {
	number, greeting, err := readPacket(server)
	if err != nil {
		return err
	}
	if err := writePacket(client, number, d.greet(greeting)); err != nil {
		return err
	}
	var wait sync.WaitGroup
	defer wait.Wait()
	defer server.Close()
	wait.Go(func() {
		_, _ = io.Copy(client, server)
		client.Close()
	})
	file := false // a LOAD DATA is being sent
	for {
		number, content, err := readPacket(client)
		if err != nil {
			return err
		}
		if file {
			file = len(content) > 0
		} else if number == 0 && len(content) > 0 && content[0] == 3 { // COM_QUERY
			answer := d.hear(string(content[1:]))
			if answer.refused != nil {
				if err := writePacket(client, 1, answer.refused); err != nil {
					return err
				}
				continue
			}
			content = append([]byte{3}, answer.statement...)
			file = strings.HasPrefix(answer.statement, "LOAD DATA")
		}
		if err := writePacket(server, number, content); err != nil {
			return err
		}
	}
}

// greet changes the version and takes back the offer of TLS.
func (d *disguise) greet(greeting []byte) []byte {
	end := bytes.IndexByte(greeting, 0)
	rest := bytes.Clone(greeting[end:])
	const capabilities = 1 + 4 + 8 + 1 // behind the version's end, the connection's id, half the salt and a zero
	binary.LittleEndian.PutUint16(rest[capabilities:], binary.LittleEndian.Uint16(rest[capabilities:])&^0x800)
	return slices.Concat(greeting[:1], []byte(d.version), rest)
}

type heard struct {
	statement string
	refused   []byte
}

// hear records a statement and says what becomes of it.
func (d *disguise) hear(statement string) heard {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, statement)
	for _, u := range d.unknown {
		if u.statement.MatchString(statement) {
			d.met = append(d.met, statement)
			return heard{refused: errorPacket(u.number, u.state, "not in "+d.version)}
		}
	}
	for _, r := range d.rewrite {
		if r.statement.MatchString(statement) {
			return heard{statement: r.statement.ReplaceAllString(statement, r.with)}
		}
	}
	return heard{statement: statement}
}

func errorPacket(number uint16, state, text string) []byte {
	packet := binary.LittleEndian.AppendUint16([]byte{0xff}, number)
	return append(packet, "#"+state+text...)
}

// has reports whether a statement with this beginning was sent.
func (d *disguise) has(beginning string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.sent, func(s string) bool { return strings.HasPrefix(s, beginning) })
}

func noStatement(pattern string) refused {
	return refused{regexp.MustCompile("^" + pattern), erParse, "42000"}
}

func noVariable(name string) refused {
	return refused{regexp.MustCompile(`^(SET SESSION ` + name + `\b|SELECT @@GLOBAL\.` + name + `\b)`), erUnknownVariable, "HY000"}
}

// disguised returns a proxy that passes for a version. Its variables are those
// of the real server but for the version and what that does not have; its
// privileges are the static ones and those that are named.
func disguised(version, comment string, privileges []string, unknown ...refused) *disguise {
	d := &disguise{version: version, comment: comment, unknown: unknown}
	var absent []string
	for _, u := range unknown {
		if u.number == erUnknownVariable {
			name, _, _ := strings.Cut(strings.TrimPrefix(u.statement.String(), `^(SET SESSION `), `\b`)
			absent = append(absent, quoteText(name))
		}
	}
	list := "SELECT 'Select' AS Privilege UNION ALL SELECT 'Super'"
	for _, name := range privileges {
		list += " UNION ALL SELECT " + quoteText(name)
	}
	d.rewrite = []rewritten{
		{regexp.MustCompile(`^SHOW GLOBAL VARIABLES WHERE Variable_name IN (\(.*\))$`), fmt.Sprintf("SELECT VARIABLE_NAME AS Variable_name,"+
			" CASE VARIABLE_NAME WHEN 'version' THEN %s WHEN 'version_comment' THEN %s ELSE VARIABLE_VALUE END AS Value"+
			" FROM performance_schema.global_variables WHERE VARIABLE_NAME IN $1 AND VARIABLE_NAME NOT IN ('none'%s)",
			quoteText(version), quoteText(comment), strings.Join(append([]string{""}, absent...), ", "))},
		{regexp.MustCompile(`^SHOW PRIVILEGES$`), list},
		{regexp.MustCompile(`^SHOW MASTER STATUS$`), "SHOW BINARY LOG STATUS"},
	}
	return d
}
