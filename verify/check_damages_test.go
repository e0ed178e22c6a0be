package verify_test

import (
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// level is what finds a damage.
type level string

const (
	byCheck  level = "`check`"
	byHead   level = "`check --expect-head`"
	byRead   level = "`check --read-data`"
	byVerify level = "`verify`"
)

// drillFinding is what a drill says of a damage: the code with which it fails, or
// that keys of kept points do not open, which takes nothing from the point drilled.
type drillFinding string

const (
	drillDamaged drillFinding = repository.FailedDamaged
	drillKeys    drillFinding = "keys"
)

// damage is one thing that may happen to a repository.
type damage struct {
	name string
	// kind is what a check calls it, one of several where the place decides; empty
	// where none finds it.
	kind repository.Damage
	// bucket and directory are the levels that find it in a storage that keeps a
	// CRC32C of every file, and in one that does not.
	bucket, directory level
	// do damages a copy at a random place, and returns the file that the finding
	// is about.
	do func(c *cage) (file string)
	// drill is what a drill says, whichever point it drills. Only where the level is
	// verify.
	drill drillFinding
}

const (
	missing   = repository.Missing
	altered   = repository.Altered
	truncated = repository.Truncated
	surplus   = repository.Surplus
	forged    = repository.Forged
	unchained = repository.Unchained

	// spoilt is what a flipped byte does to a signed file: the signature does not
	// fit, or it is not even JSON any more.
	spoilt  = forged + "|" + altered + "|" + truncated
	resized = truncated + "|" + altered
)

// plainly is a damage that a check finds in any storage.
func plainly(name string, kind repository.Damage, do func(c *cage) string) damage {
	return damage{name, kind, byCheck, byCheck, do, ""}
}

// byContent is one that only the content tells, even where a CRC32C is kept,
// since nothing records what it must be.
func byContent(name string, kind repository.Damage, do func(c *cage) string) damage {
	return damage{name, kind, byRead, byRead, do, ""}
}

// byChecksum is one that a CRC32C tells.
func byChecksum(name string, do func(c *cage) string) damage {
	return damage{name, altered, byCheck, byRead, do, ""}
}

// byDrill is one that only who holds a private key can find.
func byDrill(name string, do func(c *cage) string, drill drillFinding) damage {
	return damage{name, "", byVerify, byVerify, do, drill}
}

// chunk is any file with rows of the first point.
func (c *cage) chunk() string { return c.any("points/" + c.nightly[0] + "/main/.*/[0-9]+.tsv.zst.age") }

func (c *cage) below(point, pattern string) string { return c.any("points/" + point + "/" + pattern) }

// damages are all that the zoo has. docs/VERIFY.md has the same table.
func damages() []damage {
	var all []damage
	for _, some := range [][]damage{
		recordDamages(), runDamages(), keyDamages(), manifestDamages(), pointDamages(), sharedDamages(), decisionDamages(), otherDamages(),
	} {
		all = append(all, some...)
	}
	return all
}

func recordDamages() []damage {
	const record, key = "repository/1.json", "repository/digest.key.*.age"
	return []damage{
		plainly("repository record: a byte is flipped", spoilt, func(c *cage) string { return c.flip(record) }),
		plainly("repository record: cut short", truncated, func(c *cage) string { return c.cut(record) }),
		plainly("repository record: gone", missing, func(c *cage) string { return c.remove(record, record+".minisig") }),
		plainly("repository record: its signature is gone", missing, func(c *cage) string { return c.remove(record + ".minisig") }),
		plainly("repository record: with the signature of another file", forged, func(c *cage) string {
			c.write(record+".minisig", c.read(manifestOf(c.nightly[0])+".minisig"))
			return record
		}),
		plainly("repository record: a second one that nobody signed", missing, func(c *cage) string {
			c.write("repository/2.json", []byte(strings.ReplaceAll(string(c.read(record)), "1.json", "2.json")))
			return "repository/2.json.minisig"
		}),
		plainly("digest key: every wrap is gone", missing, func(c *cage) string {
			c.remove(c.files(`repository/digest\.key\..*`)...)
			return key
		}),
		plainly("digest key: a wrap is cut short", truncated, func(c *cage) string { return c.cut(c.any(`repository/digest\.key\..*`)) }),
		byContent("digest key: a wrap is overwritten", altered, func(c *cage) string { return c.overwrite(c.any(`repository/digest\.key\..*`)) }),
		byDrill("digest key: a byte of the body of an operator's wrap is flipped", func(c *cage) string {
			return c.flipBody("repository/digest.key." + c.Operator.Recipient().Fingerprint() + ".age")
		}, drillDamaged),
	}
}

func runDamages() []damage {
	return []damage{
		plainly("start of a run that may be alive: cut short", truncated, func(c *cage) string { return c.cut("runs/" + c.unfinished + "/start.json") }),
		plainly("start of a run that may be alive: that of another", altered, func(c *cage) string {
			return c.write("runs/"+c.unfinished+"/start.json", c.read("runs/"+c.nightly[0]+"/start.json"))
		}),
		byContent("start of a run that became a point: overwritten", altered, func(c *cage) string { return c.overwrite("runs/" + c.nightly[0] + "/start.json") }),
		plainly("checkpoint: the last one is overwritten", altered, func(c *cage) string { return c.overwrite("runs/" + c.unfinished + "/checkpoint-2.json") }),
		plainly("checkpoint: the last one is cut short", truncated, func(c *cage) string { return c.cut("runs/" + c.unfinished + "/checkpoint-2.json") }),
		plainly("checkpoint: that of another run", forged, func(c *cage) string {
			return c.write("runs/"+c.unfinished+"/checkpoint-2.json", c.read("runs/"+c.fenced+"/checkpoint-2.json"))
		}),
		plainly("checkpoint: one before the last is gone", missing, func(c *cage) string { return c.remove("runs/" + c.unfinished + "/checkpoint-1.json") }),
		byContent("checkpoint: one before the last is overwritten", altered, func(c *cage) string { return c.overwrite("runs/" + c.unfinished + "/checkpoint-1.json") }),
		plainly("fence: a byte of its record is flipped", altered, func(c *cage) string {
			file := manifestOf(c.fenced)
			return c.write(file, []byte(strings.Replace(string(c.read(file)), `"abandoned\`, `"abandonee\`, 1)))
		}),
		plainly("fence: cut short", truncated, func(c *cage) string { return c.cut(manifestOf(c.fenced)) }),
	}
}

func keyDamages() []damage {
	return []damage{
		plainly("key: every wrap of a point key is gone", missing, func(c *cage) string {
			dir := "keys/" + c.keysOf(c.nightly[0]).Point + "/"
			c.removeAll(dir)
			return dir
		}),
		plainly("key: every wrap of a pack key is gone", missing, func(c *cage) string {
			dir := "keys/" + c.keysOf(c.nightly[0]).Packs[0] + "/"
			c.removeAll(dir)
			return dir
		}),
		plainly("key: a wrap is cut short", truncated, func(c *cage) string { return c.cut(c.wrap()) }),
		plainly("key: a wrap has further bytes at its end", altered, func(c *cage) string { return c.grow(c.wrap()) }),
		byContent("key: a wrap is overwritten", altered, func(c *cage) string { return c.overwrite(c.wrap()) }),
		plainly("key: another file among the wraps", surplus, func(c *cage) string {
			return c.write("keys/"+c.keysOf(c.nightly[0]).Point+"/README", []byte("hello"))
		}),
		byDrill("key: a byte of a wrap's body is flipped", func(c *cage) string { return c.flipBody(c.wrap()) }, drillKeys),
		byDrill("key: a wrap is replaced by that of another key", func(c *cage) string {
			keys := c.keysOf(c.nightly[0])
			wrap := c.any("keys/" + keys.Point + "/.*")
			return c.write(wrap, c.read("keys/"+keys.Packs[0]+wrap[strings.LastIndex(wrap, "/"):]))
		}, drillKeys),
		plainly("key: the wrap for one of two operators is gone, at the oldest point", missing, func(c *cage) string { return c.remove(c.wrapForSecond(c.nightly[0])) }),
		plainly("key: the wrap for one of two operators is gone, at a point between", missing, func(c *cage) string { return c.remove(c.wrapForSecond(c.nightly[1])) }),
		plainly("key: the wrap for one of two operators is gone, at the newest point", missing, func(c *cage) string { return c.remove(c.wrapForSecond(c.manual[1])) }),
	}
}

// wrap is any wrap of a key of the first point.
func (c *cage) wrap() string {
	keys := c.keysOf(c.nightly[0])
	return c.any("keys/(" + keys.Point + "|" + keys.Packs[0] + ")/.*")
}

// wrapForSecond is the second operator's wrap of any key that a point needs.
func (c *cage) wrapForSecond(point string) string {
	keys := c.keysOf(point)
	return c.any("keys/(" + strings.Join(append(keys.Packs, keys.Point), "|") + ")/" + c.second.Recipient().Fingerprint() + ".age")
}

// flipBody damages the encrypted part of a wrap.
func (c *cage) flipBody(file string) string {
	data := c.read(file)
	data[len(data)-1-c.random.IntN(40)] ^= 1 << c.random.IntN(8)
	return c.write(file, data)
}

func manifestDamages() []damage {
	return []damage{
		plainly("manifest: a digit is changed", forged, func(c *cage) string {
			file := manifestOf(c.nightly[1])
			return c.write(file, []byte(strings.Replace(string(c.read(file)), `"seq": 2`, `"seq": 3`, 1)))
		}),
		plainly("manifest: a byte is flipped", spoilt, func(c *cage) string { return c.flip(manifestOf(c.nightly[1])) }),
		plainly("manifest: cut short", truncated, func(c *cage) string { return c.cut(manifestOf(c.nightly[1])) }),
		plainly("manifest: empty", truncated, func(c *cage) string { return c.write(manifestOf(c.nightly[1]), nil) }),
		plainly("manifest: gone", unchained, func(c *cage) string { return c.remove(manifestOf(c.nightly[1])) }),
		plainly("manifest: gone with everything of its point", unchained, func(c *cage) string {
			c.sweepTail(c.nightly[1])
			return manifestOf(c.nightly[1])
		}),
		plainly("manifest: the first of its stream is gone", unchained, func(c *cage) string {
			c.sweepTail(c.manual[0])
			return manifestOf(c.manual[0])
		}),
		plainly("manifest: the last of its stream is gone, and a proof has named it", unchained, func(c *cage) string {
			c.sweepTail(c.nightly[2])
			return "stream nightly"
		}),
		plainly("manifest: gone, and a state speaks of its point", missing, func(c *cage) string { return c.remove(manifestOf(c.nightly[2])) }),
		{"manifest: the last of its stream is gone, with everything of its point", unchained, byHead, byHead, func(c *cage) string {
			c.expectHead(c.manual[1])
			c.sweepTail(c.manual[1])
			return "stream manual"
		}, ""},
		plainly("manifest: replaced by that of the point before", altered, func(c *cage) string {
			return c.move(manifestOf(c.nightly[0]), manifestOf(c.nightly[1]))
		}),
		plainly("manifest: signed by somebody else", forged, func(c *cage) string {
			return c.resign(c.stranger(), manifestOf(c.nightly[1]), func(map[string]any) {})
		}),
		plainly("manifest: signed by somebody trusted for other files", forged, func(c *cage) string {
			return c.resign(c.driller, manifestOf(c.nightly[1]), func(map[string]any) {})
		}),
		plainly("manifest: another one, signed by the writer", unchained, func(c *cage) string {
			c.resign(c.Signer, manifestOf(c.nightly[1]), func(m map[string]any) { m["tool"] = "another" })
			return manifestOf(c.nightly[2])
		}),
		plainly("manifest: a second point with the same number", unchained, func(c *cage) string {
			id := c.manual[1][:len(c.manual[1])-4] + "zzzz"
			c.move(manifestOf(c.manual[1]), manifestOf(id))
			c.resign(c.Signer, manifestOf(id), func(m map[string]any) { m["point"], m["path"], m["files"] = id, manifestOf(id), []any{} })
			return manifestOf(id)
		}),
		plainly("manifest: a fence in its place that nobody signed", forged, func(c *cage) string {
			file := manifestOf(c.nightly[1])
			fence := strings.ReplaceAll(string(c.read(manifestOf(c.fenced))), c.fenced, c.nightly[1])
			return c.write(file, []byte(fence))
		}),
		plainly("manifest: its signature is gone", missing, func(c *cage) string { return c.remove(manifestOf(c.nightly[1]) + ".minisig") }),
		plainly("manifest: its signature is cut short", forged, func(c *cage) string {
			signature := manifestOf(c.nightly[1]) + ".minisig"
			c.write(signature, c.read(signature)[:c.random.IntN(150)+1])
			return manifestOf(c.nightly[1])
		}),
	}
}

func pointDamages() []damage {
	return []damage{
		plainly("rows: a chunk is gone", missing, func(c *cage) string { return c.remove(c.chunk()) }),
		plainly("rows: a chunk is cut short", truncated, func(c *cage) string { return c.cut(c.chunk()) }),
		plainly("rows: a chunk is empty", truncated, func(c *cage) string { return c.write(c.chunk(), nil) }),
		plainly("rows: a chunk has further bytes at its end", altered, func(c *cage) string { return c.grow(c.chunk()) }),
		byChecksum("rows: a byte of a chunk is flipped", func(c *cage) string { return c.flip(c.chunk()) }),
		byChecksum("rows: a chunk is overwritten", func(c *cage) string { return c.overwrite(c.chunk()) }),
		plainly("rows: a chunk of another table in its place", resized, func(c *cage) string {
			a, b := c.differing("points/" + c.nightly[0] + "/main/.*/[0-9]+.tsv.zst.age")
			return c.write(a, c.read(b))
		}),
		byDrill("rows: a chunk that was damaged before it was signed", func(c *cage) string { return c.alterBeforeSigning(c.manual[1], "notes/a/c/.*") },
			drillDamaged),
		byChecksum("schema.sql: a byte is flipped", func(c *cage) string { return c.flip(c.below(c.nightly[0], "main/.*/schema.sql.zst.age")) }),
		plainly("post.sql: cut short", truncated, func(c *cage) string { return c.cut(c.below(c.nightly[0], "main/.*/post.sql.zst.age")) }),
		plainly("load.sql: gone", missing, func(c *cage) string { return c.remove(c.below(c.nightly[0], "main/.*load.sql.zst.age")) }),
		byChecksum("tables.json: overwritten", func(c *cage) string { return c.overwrite(c.below(c.nightly[0], "main/.*/tables.json.zst.age")) }),
		plainly("users.sql: cut short", truncated, func(c *cage) string { return c.cut(c.below(c.nightly[0], "main/users.sql.zst.age")) }),
		byChecksum("accounts.json: a byte is flipped", func(c *cage) string { return c.flip(c.below(c.nightly[0], "main/accounts.json.zst.age")) }),
		plainly("namespace: gone", missing, func(c *cage) string { return c.remove(c.below(c.nightly[0], "cluster/.*.yaml.zst.age")) }),
		byChecksum("namespace: a byte is flipped", func(c *cage) string { return c.flip(c.below(c.nightly[0], "cluster/.*.yaml.zst.age")) }),
		plainly("bucket properties: cut short", truncated, func(c *cage) string { return c.cut(c.below(c.nightly[0], "media/.*/properties.json.zst.age")) }),
		plainly("details: gone", missing, func(c *cage) string { return c.remove(c.below(c.manual[0], "details.jsonl.zst.age")) }),
		plainly("bucket list: gone", missing, func(c *cage) string { return c.remove(c.below(c.nightly[0], "media/[^/]*.json")) }),
		plainly("bucket list: cut short", truncated, func(c *cage) string { return c.cut(c.below(c.nightly[0], "media/[^/]*.json")) }),
		plainly("bucket list: a byte is flipped", altered, func(c *cage) string { return c.flip(c.below(c.nightly[0], "media/[^/]*.json")) }),
		plainly("a point's directory: a file that its manifest does not name", surplus, func(c *cage) string {
			return c.write("points/"+c.nightly[0]+"/main/extra.tsv.zst.age", c.noise(100))
		}),
		plainly("a point's directory: a file of no known name", surplus, func(c *cage) string {
			return c.write("points/"+c.nightly[0]+"/note.txt", c.noise(100))
		}),
	}
}

func sharedDamages() []damage {
	segment := func(c *cage, suffix string) string {
		list := string(c.read(c.below(c.nightly[0], "media/[^/]*.json")))
		id := list[strings.Index(list, `"id": "`)+7:]
		return "index/" + id[:26] + suffix
	}
	const sealed, packs = ".jsonl.zst.age", ".packs.json"
	return []damage{
		plainly("segment: gone", missing, func(c *cage) string { return c.remove(segment(c, sealed)) }),
		plainly("segment: cut short", truncated, func(c *cage) string { return c.cut(segment(c, sealed)) }),
		plainly("segment: has further bytes at its end", altered, func(c *cage) string { return c.grow(segment(c, sealed)) }),
		byChecksum("segment: a byte is flipped", func(c *cage) string { return c.flip(segment(c, sealed)) }),
		plainly("packs of a segment: gone", missing, func(c *cage) string { return c.remove(segment(c, packs)) }),
		plainly("packs of a segment: cut short", altered, func(c *cage) string { return c.cut(segment(c, packs)) }),
		plainly("packs of a segment: a byte is flipped", altered, func(c *cage) string { return c.flip(segment(c, packs)) }),
		plainly("pack: gone", missing, func(c *cage) string { return c.remove(c.any("packs/.*")) }),
		plainly("pack: cut short", truncated, func(c *cage) string { return c.cut(c.any("packs/.*")) }),
		plainly("pack: empty", truncated, func(c *cage) string { return c.write(c.any("packs/.*"), nil) }),
		plainly("pack: has further bytes at its end", altered, func(c *cage) string { return c.grow(c.any("packs/.*")) }),
		byChecksum("pack: a byte is flipped", func(c *cage) string { return c.flip(c.any("packs/.*")) }),
		plainly("pack: a copy in the wrong directory", surplus, func(c *cage) string {
			pack := c.any("packs/.*")
			return c.write("packs/99/"+pack[strings.LastIndex(pack, "/")+1:], c.read(pack))
		}),
	}
}

func decisionDamages() []damage {
	state := func(c *cage, n string) string { return "state/" + c.nightly[0] + "/" + n + ".json" }
	proof := func(c *cage) string { return c.any("proofs/" + c.nightly[1] + "/.*.json") }
	return []damage{
		plainly("state: a byte is flipped", spoilt, func(c *cage) string { return c.flip(state(c, "1")) }),
		plainly("state: cut short", truncated, func(c *cage) string { return c.cut(state(c, "2")) }),
		plainly("state: its signature is gone", missing, func(c *cage) string { return c.remove(state(c, "2") + ".minisig") }),
		plainly("state: one that nobody signed", missing, func(c *cage) string { return c.forgetUnsigned(c.nightly[1]) + ".minisig" }),
		plainly("state: signed by somebody trusted for other files", forged, func(c *cage) string {
			return c.resign(c.driller, state(c, "2"), func(map[string]any) {})
		}),
		plainly("state: moved from another point", altered, func(c *cage) string {
			return c.move(state(c, "1"), "state/"+c.nightly[1]+"/1.json")
		}),
		plainly("state: one before the last is gone", missing, func(c *cage) string { return c.remove(state(c, "1")) }),
		plainly("state: that of a sweeping is gone", unchained, func(c *cage) string {
			c.removeAll("state/" + c.hourly[1])
			return manifestOf(c.hourly[1])
		}),
		plainly("proof: a byte is flipped", spoilt, func(c *cage) string { return c.flip(proof(c)) }),
		plainly("proof: cut short", truncated, func(c *cage) string { return c.cut(proof(c)) }),
		plainly("proof: its signature is gone", missing, func(c *cage) string { return c.remove(proof(c) + ".minisig") }),
		plainly("proof: moved to another point", altered, func(c *cage) string {
			return c.move(proof(c), strings.Replace(proof(c), c.nightly[1], c.nightly[0], 1))
		}),
		plainly("proof: signed by somebody else", forged, func(c *cage) string { return c.resign(c.stranger(), proof(c), func(map[string]any) {}) }),
		plainly("proof: its point is gone", missing, func(c *cage) string {
			c.removeAll("points/" + c.nightly[1])
			return manifestOf(c.nightly[1])
		}),
	}
}

func otherDamages() []damage {
	lease := func(c *cage) []string { return c.files("leases/test@nightly/.*") }
	journal := func(c *cage, n string) string { return "restores/" + c.restore + "/00000000000" + n + ".json" }
	return []damage{
		plainly("lease: the newest term is cut short", truncated, func(c *cage) string { return c.cut(slices.Max(lease(c))) }),
		plainly("lease: the newest term is overwritten", altered, func(c *cage) string { return c.overwrite(slices.Max(lease(c))) }),
		byContent("lease: an older term is overwritten", altered, func(c *cage) string { return c.overwrite(lease(c)[0]) }),
		plainly("journal of a restore: a record is gone", missing, func(c *cage) string { return c.remove(journal(c, "2")) }),
		plainly("journal of a restore: the last record is cut short", truncated, func(c *cage) string { return c.cut(journal(c, "3")) }),
		plainly("journal of a restore: the first record is overwritten", altered, func(c *cage) string { return c.overwrite(journal(c, "1")) }),
		byContent("journal of a restore: a record between is overwritten", altered, func(c *cage) string { return c.overwrite(journal(c, "2")) }),
		plainly("a file at the top", surplus, func(c *cage) string { return c.write("README.txt", c.noise(10)) }),
		plainly("a directory of no known name", surplus, func(c *cage) string { return c.write("backup/old/data.bin", c.noise(10)) }),
		plainly("a file with a name that is nearly right", surplus, func(c *cage) string {
			file := c.any("index/.*.packs.json")
			return c.write(file+".bak", c.read(file))
		}),
	}
}
