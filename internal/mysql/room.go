package mysql

import (
	"context"
	"maps"
	"net"
	"slices"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// What a restore needs to have to itself: disk, and nobody in its way.

// smallNeed is how much disk nobody worries about.
const smallNeed = 1 << 30

// space says how much disk the restore takes. How much there is MySQL does not
// tell: no table of it knows the file system.
func (e *planExamination) space() {
	need, freed, counted := int64(0), int64(0), true
	for _, schema := range e.r.schemas {
		freed += schema.freed
		for i := range schema.Tables {
			bytes, known := schema.Tables[i].footprint()
			need += bytes
			counted = counted && known
		}
	}
	detail := "about " + bytesOf(need) + " of disk are needed"
	if !counted {
		detail += ", indexes not counted, of which the point says nothing"
	}
	if e.client.facts.logBin && !e.r.binlogOff {
		logged := e.r.total().Bytes
		detail += ", and " + bytesOf(logged) + " for the binary log"
		need += logged
	}
	if freed > 0 {
		detail += "; what is overwritten frees " + bytesOf(freed)
	}
	e.say("space", need-freed < smallNeed, "%s; how much is free MySQL does not tell: df %s on the server does", detail, e.r.target.variables["datadir"])
}

// footprint is what a table takes on disk, and whether its indexes are known to
// be in that.
func (t *table) footprint() (bytes int64, known bool) {
	if t.Where != "" || t.NoData || t.Stored == 0 {
		return t.Total.Bytes, t.Total.Bytes == 0
	}
	return max(t.Stored, t.Total.Bytes), true // the server's statistics may have been of long ago
}

// total sums up all tables.
func (r *restoration) total() total {
	var sum total
	for _, schema := range r.schemas {
		sum.add(schema.total())
	}
	return sum
}

// sessions says who is connected to what is overwritten: how many, and from
// where, for the name of an account may be a person's.
func (e *planExamination) sessions(ctx context.Context) error {
	var schemas []string
	for _, schema := range e.r.schemas {
		if schema.occupied {
			schemas = append(schemas, sameName(schema.target, e.client.facts.lowerCaseTableNames))
		}
	}
	if len(schemas) == 0 {
		return nil
	}
	if !e.r.held.anywhere("PROCESS") {
		e.say("sessions", false, "who is connected to what is overwritten is not known: the account lacks PROCESS")
		return nil
	}
	all, err := processes(ctx, e.client)
	if err != nil {
		return err
	}
	connected, hosts := 0, map[string]bool{}
	for _, session := range all {
		if !slices.Contains(schemas, sameName(session.text("db"), e.client.facts.lowerCaseTableNames)) {
			continue
		}
		connected++
		host, _, err := net.SplitHostPort(session.text("host"))
		if err != nil { // a socket has no port
			host = session.text("host")
		}
		hosts[host] = true
	}
	if connected == 0 {
		e.say("sessions", true, "nobody is connected to what is overwritten")
		return nil
	}
	e.say("sessions", false, "%s connected to what is overwritten, from %s: stop the programs that use it first", quantity.Count(connected, "session is", "sessions are"), shorten(slices.Sorted(maps.Keys(hosts))))
	return nil
}
