package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// inTheClear makes rows come straight from the wire; otherwise the testbed's
// server encrypts, and they come through the driver.
func inTheClear(s *Settings) { s.TLS = tlsmode.Disabled }

// What is read from the wire is what the driver reads.
func TestWireAgreesWithTheDriver(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedZoo(t, db, schema)
	run(t, db, "CREATE TABLE "+schema+".packets (id INT PRIMARY KEY, body LONGBLOB)",
		// Rows that fill a packet of the protocol to the byte, and one less, and more, and twice.
		"INSERT INTO "+schema+".packets WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i, REPEAT('p', 16777215 - 2 - 9 + i - 5) FROM n",
		"INSERT INTO "+schema+".packets VALUES (20, REPEAT('q', 2 * 16777215 - 11)), (21, ''), (22, NULL)")
	s := newServer(t, rootOf(env), inTheClear, schema)
	client, err := s.open(t.Context(), dumpIdle)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := client.session(t.Context(), s.catalogSession()...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	definitions := catalog{conn: conn, server: s}
	d, err := definitions.schema(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Tables {
		table := &d.Tables[i]
		query := "SELECT " + selectList(table.Columns) + " FROM " + quoteName(schema) + "." + quoteName(table.Name)
		wire, driver := digestRows(t, conn, query, true), digestRows(t, conn, query, false)
		if diff := cmp.Diff(driver, wire); diff != "" {
			t.Errorf("table %s (-driver +wire):\n%s", table.Name, diff)
		}
	}
}

// digestRows returns a digest per row.
func digestRows(t *testing.T, conn *sql.Conn, query string, fromWire bool) []string {
	t.Helper()
	sums := []string{}
	err := conn.Raw(func(raw any) error {
		l := *raw.(*link)
		if l.rows == nil {
			return errors.New("the connection is encrypted")
		}
		if !fromWire {
			l.rows = nil
		}
		return l.stream(t.Context(), query, func(values [][]byte) error {
			sum := newTally([32]byte{})
			sum.row(values)
			sums = append(sums, sum.digest.String())
			return nil
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return sums
}

// A session goes on after an error of the server, and is closed after any other.
func TestWireErrors(t *testing.T) {
	env := testbed.Need(t)
	schema := env.NewSchema(t)
	s := newServer(t, rootOf(env), inTheClear, schema)
	client, err := s.open(t.Context(), dumpIdle)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := client.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	none := func([][]byte) error { return nil }
	if err := streamRows(t.Context(), conn, "SELECT * FROM "+schema+".nothing", none); !isServer(err, erNoSuchTable) {
		t.Errorf("a table that does not exist: %v", err)
	}
	if err := streamRows(t.Context(), conn, "SET @a = 1", none); !errors.Is(err, errProtocol) {
		t.Errorf("a statement without rows: %v", err)
	}
	if err := conn.PingContext(t.Context()); err == nil {
		t.Error("the session lives on after an error in the protocol")
	}
}

// Invariant 9: a server that falls silent, or a context that ends, ends a read.
func TestWireDoesNotWaitForever(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	go func() { // takes the query and says nothing
		buf := make([]byte, 1024)
		for {
			if _, err := far.Read(buf); err != nil {
				return
			}
		}
	}()
	none := func([][]byte) error { return nil }
	if err := newRowReader(near, 10*time.Millisecond, newWideRow()).query(t.Context(), "SELECT 1", none); err == nil {
		t.Error("a silent server gives no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := newRowReader(near, time.Hour, newWideRow()).query(ctx, "SELECT 1", none); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ends: %v", err)
	}
}

// Whatever a server sends is rows or an error, and neither a panic nor a hang.
func FuzzWire(f *testing.F) {
	packet := func(sequence byte, payload ...byte) []byte {
		return append([]byte{byte(len(payload)), byte(len(payload) >> 8), byte(len(payload) >> 16), sequence}, payload...)
	}
	column := packet(2, []byte("\x03def")...)
	f.Add(slices.Concat(packet(1, 1), column, packet(3, 1, 'a'), packet(4, 0xfe, 0, 0, 2, 0, 0, 0)))
	f.Add(slices.Concat(packet(1, 1), column, packet(3, 0xfe, 0, 0, 2, 0), packet(4, 0xfb), packet(5, 0xfe, 0, 0, 2, 0)))
	f.Add(packet(1, []byte("\xff\x15\x04#28000Access denied")...))
	f.Add(slices.Concat(packet(1, 1), column, packet(3, 0xfd, 1, 0, 0, 'x')))
	f.Fuzz(func(t *testing.T, sent []byte) {
		near, far := net.Pipe()
		defer near.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 1024)
			if _, err := far.Read(buf); err == nil {
				_, _ = far.Write(sent)
			}
			_ = far.Close()
		}()
		_ = newRowReader(near, 0, newWideRow()).query(t.Context(), "SELECT 1", func(values [][]byte) error {
			for _, v := range values {
				_ = append([]byte(nil), v...)
			}
			return nil
		})
		_ = near.Close()
		<-done
	})
}

// deadlineTeller tells when both deadlines of a connection are set.
type deadlineTeller struct {
	net.Conn
	set chan struct{}
}

func (d *deadlineTeller) SetDeadline(at time.Time) error {
	defer close(d.set)
	return d.Conn.SetDeadline(at)
}

// Invariant 9: a context that ends between two reads is not forgotten when the
// next read gives the server its time anew.
func TestWireRemembersACancellation(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	go func() { // one column, one row, and then not a word
		buf := make([]byte, 1024)
		if _, err := far.Read(buf); err == nil {
			_, _ = far.Write([]byte{1, 0, 0, 1, 1, 1, 0, 0, 2, 0, 2, 0, 0, 3, 1, 'a'})
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	conn := &deadlineTeller{near, make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- newRowReader(conn, time.Hour, newWideRow()).query(ctx, "SELECT 1", func([][]byte) error {
			cancel()
			<-conn.set
			return nil
		})
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the read waits for the server, though nobody waits for the read")
		near.Close()
		<-ended
	}
}

// Invariant 7: of all rows that take more than a packet one is held at a time,
// whichever sessions meet them.
func TestWideRowsTakeTurns(t *testing.T) {
	wide := newWideRow()
	holding := make(chan struct{}, 2)
	goOn := make(chan struct{})
	ended := make(chan error, 2)
	for range 2 {
		near := sendsAWideRow(t)
		go func() {
			ended <- newRowReader(near, time.Hour, wide).query(t.Context(), "SELECT 1", func(values [][]byte) error {
				holding <- struct{}{}
				<-goOn
				if len(values) != 1 || len(values[0]) != wideLength || values[0][wideLength-1] != 'w' {
					return errors.New("it is not the row that was sent")
				}
				return nil
			})
		}()
	}
	<-holding
	select {
	case <-holding:
		t.Error("two rows are held at once")
	case <-time.After(50 * time.Millisecond): // a row that comes later than this goes unnoticed
	}
	close(goOn)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if place := <-wide; cap(place) < wideLength || cap(place) > 2*wideLength {
		t.Errorf("the place has %d bytes for rows of %d", cap(place), wideLength)
	}
}

const wideLength = 2*maxPacket + 100

// sendsAWideRow is a server that answers with one row of one value.
func sendsAWideRow(t *testing.T) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	value := append(append([]byte{0xfe}, binary.LittleEndian.AppendUint64(nil, wideLength)...), bytes.Repeat([]byte("w"), wideLength)...)
	go func() {
		buf := make([]byte, 1024)
		if _, err := far.Read(buf); err != nil {
			return
		}
		_, _ = far.Write([]byte{1, 0, 0, 1, 1, 1, 0, 0, 2, 0})
		for sequence := byte(3); ; sequence++ {
			part := value[:min(len(value), maxPacket)]
			value = value[len(part):]
			if _, err := far.Write(append([]byte{byte(len(part)), byte(len(part) >> 8), byte(len(part) >> 16), sequence}, part...)); err != nil {
				return
			}
			if len(part) < maxPacket {
				_, _ = far.Write([]byte{5, 0, 0, sequence + 1, 0xfe, 0, 0, 2, 0})
				return
			}
		}
	}()
	return near
}
