package seed

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// forkTables are tables as forks of OpenIM add them: types that the original
// does not use. They live in the schema of the chat service.
func forkTables(p *population) []table {
	ledger := share(p.size, 0.004, 60)
	return []table{
		{"fork_ledger", "id, user_id, amount, quantity, doc, flags, switched, mask, ratio, score, state, marks, booked, lasted, born, made, old_note, raw", ledger, p.fillLedger},
		{"fork_blobs", "id, `user id`, body, fixed", share(p.size, 0.001, 30), p.fillBlob},
		{"fork_audit", "id, ledger_id, note", ledger, p.fillAudit},
	}
}

var (
	nastyDocs = []string{
		"null", `{}`, `[]`, `""`, `"text"`, `true`, `-0`, `12345678901234567890`, `1e-7`, `0.1`,
		`{"kind":"refund","text":"a\\\\b \\"c\\" \\n \\u4f60 😀","deep":{"a":[1,{"b":null}]}}`,
		`{"":"empty name","a b":"blank","$.x":"path"}`,
	}
	ledgerAmounts = []string{"0", "-0.0000000001", "99999999999999999999.9999999999", "0.1", "-1.5"}
	nastyRatios   = []string{"NULL", "0", "-0e0", "0.1", "3.4028234e38", "1.17549435e-38", "16777217", "1234567.9", "-2.5e-10"}
	nastyScores   = []string{"NULL", "0", "0.1", "1.7976931348623157e308", "5e-324", "0.30000000000000004", "1e23"}
	nastyBooked   = []string{"NULL", "'1970-01-01 00:00:01.000000'", "'2038-01-19 03:14:07.999999'", "'0000-00-00 00:00:00'", "'2026-03-29 01:30:00.000001'"}
	nastyLasted   = []string{"NULL", "'-838:59:59.000'", "'838:59:59.000'", "'00:00:00.001'", "'-00:00:00.500'"}
	nastyBorn     = []string{"NULL", "'0000-00-00'", "'2026-00-00'", "'2026-02-31'", "'9999-12-31'", "'1000-01-01'"}
	nastyMade     = []string{"NULL", "0", "1901", "2155", "2026"}
	ledgerMarks   = []string{"NULL", "''", "'read'", "'read,写,a b'"}
)

func oneOf(w *row, literals []string) {
	w.literal(literals[(int(w.n)+w.IntN(2))%len(literals)])
}

func (p *population) fillLedger(w *row) {
	w.number(w.n*2 + 1)
	w.text(p.user(int64(len(managers)+len(nastyIDs)) + w.Int64N(20)))
	oneOf(w, ledgerAmounts)
	w.number(w.Int64N(2000) - 1000)
	if w.n%2 == 0 {
		w.literal("'" + nastyDocs[w.n/2%int64(len(nastyDocs))] + "'")
	} else {
		w.text(fmt.Sprintf(`{"kind":"sale","n":%d,"price":%d.25}`, w.n, w.IntN(1000)))
	}
	w.literal("b'" + strconv.FormatUint(w.Uint64N(1<<10), 2) + "'")
	w.literal([]string{"b'0'", "b'1'"}[w.IntN(2)])
	w.literal([]string{"NULL", "b'0'", "0xffffffffffffffff", "0x8000000000000000", "0x5c0a095c4e00270d"}[w.n%5])
	oneOf(w, nastyRatios)
	oneOf(w, nastyScores)
	w.literal([]string{"'new'", "'done'", `'it\'s'`}[w.n%3])
	oneOf(w, ledgerMarks)
	oneOf(w, nastyBooked)
	oneOf(w, nastyLasted)
	oneOf(w, nastyBorn)
	oneOf(w, nastyMade)
	w.text([]string{"Straße", "café £5", "", "plain"}[w.n%4])
	w.bytes(everyByte(w.Rand, w.IntN(300)))
}

// everyByte is a run of bytes in which all values occur, those first that mean
// something to LOAD DATA.
func everyByte(r *rand.Rand, length int) []byte {
	b := make([]byte, 0, length+256)
	b = append(b, "\\\t\n\r\x00\x1a'\"\\N\\\\"...)
	for start := r.IntN(256); len(b) < length; start++ {
		b = append(b, byte(start))
	}
	return b[:length]
}

func (p *population) fillBlob(w *row) {
	w.bytes(fmt.Appendf(nil, "%05d\x00\xff\t\n\\%06x", w.n%100_000, w.Uint32()&0xffffff)[:16])
	w.label(p.user(w.Int64N(p.users)), 64)
	switch w.n % 5 {
	case 0:
		w.null()
	case 1:
		w.bytes(nil)
	default:
		w.bytes(everyByte(w.Rand, w.IntN(2000)))
	}
	w.bytes([]byte{byte(w.n), 0, '\\', ' '})
}

func (p *population) fillAudit(w *row) {
	w.number(w.n + 1)
	w.number(w.n*2 + 1)
	w.label("added "+string(sentence(nil, w.Rand, 1, 5)), 1000)
}
