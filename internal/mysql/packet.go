package mysql

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	driver "github.com/go-sql-driver/mysql"
)

// tooLarge explains a row that the target does not take because of its size;
// other errors pass. LOAD DATA streams a row of any size; an INSERT is one
// packet, and so is JSON on its way through an expression.
func (c *client) tooLarge(err error) error {
	// JSON that is none: see wholeJSON. That a chunk holds what was captured
	// has been seen before the server gets to its end.
	if !errors.Is(err, driver.ErrPktTooLarge) && !isServer(err, erPacketTooLarge, erAllowedPacketOverflowed, erInvalidJSON, erInvalidJSONParameter) {
		return err
	}
	return c.server.usage("restore into", "a row is larger than the target's max_allowed_packet of %s", humanize.IBytes(uint64(max(0, c.facts.maxAllowedPacket)))). // not negative
																					Hint("SET GLOBAL max_allowed_packet = 1073741824; and restore again")
}

// warnOfPackets compares the target's packet size with the source's: the point
// may hold rows that the target does not take.
func (c *client) warnOfPackets(recorded Captured) []string {
	was := parseInt(recorded.Variables["max_allowed_packet"])
	if c.facts.maxAllowedPacket >= was {
		return nil
	}
	return []string{fmt.Sprintf("max_allowed_packet of the target is %s and was %s at the source: rows larger than the target's are refused where they come in by INSERT or hold JSON",
		humanize.IBytes(uint64(max(0, c.facts.maxAllowedPacket))), humanize.IBytes(uint64(max(0, was))))} // not negative
}
