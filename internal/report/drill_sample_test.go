package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// drillBegan is in a zone of its own: a page shows UTC.
var drillBegan = time.Date(2026, 12, 1, 13, 0, 12, 0, time.FixedZone("CST", 8*3600))

const (
	nightly = "20261201T020000Z-k3vq"
	hourly  = "20261201T040700Z-a2b3"
)

// tables are of OpenIM and its chat application.
var tables = strings.Fields(`openIM_v3.black openIM_v3.chat_logs openIM_v3.conversations openIM_v3.friend_requests openIM_v3.friends
	openIM_v3.group_members openIM_v3.group_requests openIM_v3.groups openIM_v3.logs openIM_v3.object openIM_v3.users
	openim_enterprise.account openim_enterprise.admin openim_enterprise.applet openim_enterprise.attribute openim_enterprise.client_config
	openim_enterprise.forbidden_account openim_enterprise.invitation_register openim_enterprise.ip_forbidden
	openim_enterprise.limit_user_login_ip openim_enterprise.register openim_enterprise.register_add_friend
	openim_enterprise.register_add_group openim_enterprise.user_login_record openim_enterprise.verify_code`)

// passedDrill is a drill of everything that passed, after eleven others.
func passedDrill() *Drill { return drillOf(tables) }

func drillOf(tables []string) *Drill {
	d := &Drill{
		Repository: "gs://openim-backups/prod",
		Warnings:   []string{"main: 2 accounts have no password that a scratch server could check"},
		Deviations: []Deviation{{Source: "main", Object: "account root@localhost", What: "kept", Why: "a server keeps the account that restores into it"}},
		Signature: Signature{
			PublicKey: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
			Records:   []string{"proofs/" + hourly + "/20261201T052105Z.json", "proofs/" + nightly + "/20261201T052105Z.json"},
		},
	}
	p := &d.Proof
	p.Drill, p.Point, p.Instance, p.Tool = "20261201T050012Z-q7mz", hourly, "openim-prod", "openim-dr 1.2.3"
	p.Started, p.Ended, p.Passed, p.Full, p.Scratch = drillBegan, drillBegan.Add(20*time.Minute+53*time.Second), true, true, "docker"
	captured := func(point, source, kind string, started time.Time, took time.Duration, s repository.Summary) repository.ProofPoint {
		return repository.ProofPoint{Source: source, Kind: kind, Point: point, SHA256: strings.Repeat("9f86d081884c7d65", 4), Signer: "RWTxQfK1Zr3nU8bYpEw2vDq0s6LkGmXj4ThNcIoZa7ReyFiPuSdJxKQM", Started: started, Ended: started.Add(took), Summary: s}
	}
	var rows, bytes int64
	for i, name := range tables {
		n := int64(i*i*i*37%190000 + i*11)
		if name == "openIM_v3.chat_logs" {
			n = 3_912_455
		}
		p.Comparisons = append(p.Comparisons, repository.ProofCompared{Source: "main", Name: name, Rows: n, Bytes: n * 173, Equal: true})
		rows, bytes = rows+n, bytes+n*173
	}
	p.Comparisons = append(p.Comparisons,
		repository.ProofCompared{Source: "main", Name: "accounts", Objects: 5, Equal: true},
		repository.ProofCompared{Source: "media", Name: "openim", Objects: 20043, Bytes: 748_722_341, Equal: true},
		repository.ProofCompared{Source: "cluster", Name: "openim", Documents: 64, Bytes: 214_302, Equal: true},
		repository.ProofCompared{Source: "cluster", Name: "seaweedfs", Documents: 17, Bytes: 51_977, Equal: true},
	)
	p.Set = []repository.ProofPoint{
		captured(hourly, "main", "mysql", drillBegan.Add(-53*time.Minute), 41*time.Second, repository.Summary{Rows: rows, Bytes: bytes}),
		captured(nightly, "media", "buckets", drillBegan.Add(-180*time.Minute), 94*time.Second, repository.Summary{Objects: 20043, Bytes: 748_722_341}),
		captured(nightly, "cluster", "kubernetes", drillBegan.Add(-178*time.Minute), 3*time.Second, repository.Summary{Documents: 81, Bytes: 266_279}),
	}
	p.Servers = []repository.ProofServer{
		{Source: "main", Version: "MySQL 8.4.6", Image: "mysql:8.4", StartSeconds: 11.2},
		{Source: "media", Version: "SeaweedFS 3.80", Image: "chrislusf/seaweedfs:3.80", StartSeconds: 9.7},
	}
	p.Truth = []repository.ProofTruth{
		{Check: "missing", Source: "main", Checked: 19877, Passed: true}, {Check: "size", Source: "main", Checked: 19877, Passed: true},
		{Check: "content", Source: "media", Checked: 19652, Passed: true}, {Check: "orphan", Source: "media", Checked: 20043, Bad: 166, Tolerated: 20043, Passed: true},
	}
	p.Assertions = []repository.ProofAssertion{
		{Name: "there are users", Source: "main", Passed: true, Detail: "1, want 1"},
		{Name: "rows have not fallen by more than 5 %", Passed: true, Detail: "25 tables; most: 0.4 % in 1 of them"},
		{Name: "newest message is not older than 1 h", Source: "main", Passed: true, Detail: "14 s before the capture"},
	}
	p.SelfTest = []repository.ProofSelfTest{
		{Damage: "a flipped byte in a chunk", Found: true, Detail: "checksum while it was read"}, {Damage: "a missing pack", Found: true, Detail: "missing in the listing"},
		{Damage: "a chunk of another table in its place", Found: true, Detail: "digest of the table"}, {Damage: "a manifest of an earlier point", Found: true, Detail: "its path is another"},
		{Damage: "a forged signature", Found: true, Detail: "no trusted signer"}, {Damage: "one changed row in the scratch server", Found: true, Detail: "digest of the table"},
	}
	p.Keys = &repository.ProofKeys{Points: 47, Identities: []repository.ProofIdentity{{Fingerprint: "4c1e90ab77d2", Opens: 47}, {Fingerprint: "b07715fe3a90", Opens: 3, NotFor: 44}}}
	p.RTO = repository.ProofRTO{Seconds: 754.25, ObjectiveSeconds: 1800, Met: yes(true), ProjectedSeconds: 754.25, Parts: []repository.ProofPart{
		{Source: "main", Part: "fetch", Seconds: 122.4, Busy: true}, {Source: "main", Part: "decrypt", Seconds: 31.8, Busy: true},
		{Source: "main", Part: "load", Seconds: 402.5}, {Source: "main", Part: "index", Seconds: 163.2}, {Source: "main", Part: "compare", Seconds: 181.9},
		{Source: "media", Part: "objects", Seconds: 318.4}, {Source: "media", Part: "compare", Seconds: 96.3},
		{Source: "cluster", Part: "load", Seconds: 2.2}, {Source: "cluster", Part: "compare", Seconds: 1.4},
	}}
	p.RPO = repository.ProofRPO{Seconds: 10812, DataSeconds: seconds(14), ObjectiveSeconds: 4 * 3600, Met: yes(true)}
	p.Heads = []repository.ProofHead{
		{Instance: "openim-prod", Stream: "hourly-db", Seq: 8211, Point: hourly, SHA256: strings.Repeat("2c26b46b68ffc68f", 4)},
		{Instance: "openim-prod", Stream: "nightly", Seq: 343, Point: nightly, SHA256: strings.Repeat("9f86d081884c7d65", 4)},
	}
	d.Earlier = earlierDrills(11)
	return d
}

// earlierDrills are of the months before: one failed, one never reached its
// end, and one was of a sample.
func earlierDrills(n int) []repository.Proof {
	var earlier []repository.Proof
	for i := range n {
		began := drillBegan.AddDate(0, i-n, 0)
		e := repository.Proof{Drill: began.UTC().Format("20060102T150405Z") + "-d" + fmt.Sprintf("%03d", i), Started: began, Ended: began.Add(20 * time.Minute), Passed: true, Full: true}
		e.Set = []repository.ProofPoint{{Source: "main", Point: began.UTC().Format("20060102") + "T040700Z-a2b3"}}
		e.RTO.Seconds = 560 + float64(i*18) + float64(i*i*7%53)
		e.RPO.Seconds = 9300 + float64(i*i*431%4200)
		switch i {
		case 2:
			e.Passed, e.RTO.Seconds, e.Failure = false, 0, "stopped"
		case 4:
			e.Full, e.Sample, e.RTO.ProjectedSeconds = false, &repository.ProofSample{Share: .1}, e.RTO.Seconds+60
			e.RTO.Seconds = 91
		case 7:
			e.Passed = false
		}
		earlier = append(earlier, e)
	}
	return earlier
}

// failedDrill is one in which much is wrong at once.
func failedDrill() *Drill {
	d := passedDrill()
	p := &d.Proof
	p.Passed, p.Failure = false, "different"
	p.Comparisons[1].Equal, p.Comparisons[1].Differences = false, 1
	p.Comparisons[10].Equal, p.Comparisons[10].Differences = false, 2
	d.Differences = []Finding{
		{"main", Difference{Object: "openIM_v3.chat_logs", What: "rows", Want: "3912455", Got: "3912454"}},
		{"main", Difference{Object: "openIM_v3.users", What: "digest", Want: "6b1f3b8e0c4d", Got: "0f7be2a91177"}},
		{"main", Difference{Object: "openIM_v3.users", What: "definition", Want: "5f2c", Got: "77ab"}},
	}
	p.Truth[0].Bad, p.Truth[0].Passed = 312, false
	for i := range 3 {
		d.References = append(d.References, Reference{"missing", "main", fmt.Sprintf("openim/data/hash/%032x", i+0xabcdef), "a row of openIM_v3.object refers to it"})
	}
	p.Assertions[0].Passed, p.Assertions[0].Detail = false, "0, want 1"
	p.SelfTest[4].Found, p.SelfTest[4].Detail = false, "the point was read without a word"
	p.RTO.Seconds, p.RTO.Met = 2150.5, yes(false)
	p.RTO.Parts[2].Seconds = 1742.1
	p.Keys.OneKey = []string{nightly}
	return d
}

// brokenDrill ended before it had restored anything.
func brokenDrill() *Drill {
	d := passedDrill()
	p := &d.Proof
	p.Passed, p.Full, p.Failure = false, false, "failed"
	p.Comparisons, p.Truth, p.Assertions, p.SelfTest, p.Keys, p.Servers = nil, nil, nil, nil, nil, nil
	p.RTO = repository.ProofRTO{ObjectiveSeconds: 1800}
	d.Failure = &Failure{Code: "failed", Doing: "start the scratch server of main", Target: "mysql:8.4", Why: "no space left on device", Try: "free 12 GiB below /var/lib/docker, then drill again"}
	d.Earlier, d.Signature.Records, d.Deviations, d.Warnings = nil, nil, nil, nil
	return d
}

// sampledDrill restored a part of the objects, all of them good.
func sampledDrill() *Drill {
	d := passedDrill()
	p := &d.Proof
	p.Full = false
	p.Sample = &repository.ProofSample{Share: .115, Objects: 2305, Of: 20043, Confidence: .999, BadShare: .003}
	p.RTO.Seconds, p.RTO.ProjectedSeconds = 751.5, 811.75
	p.Comparisons[len(tables)+1].Objects = 2305
	return d
}

// manyTables are too many for anything but a compact list.
func manyTables(n int) *Drill {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("openIM_v3.chat_logs_of_shard_%04d", i))
	}
	return drillOf(names)
}

// drills are one of every kind.
func drills() map[string]*Drill {
	return map[string]*Drill{
		"passed": passedDrill(), "failed": failedDrill(), "not begun": brokenDrill(), "sampled": sampledDrill(), "300 tables": manyTables(300),
	}
}
