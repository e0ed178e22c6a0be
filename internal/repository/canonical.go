package repository

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Manifests and the lists of packs of segments are read by the ten thousand, and
// most of each is one long array. Where that stands as marshal writes it, it is read
// line by line, several times as fast as by encoding/json; what stands otherwise, and
// all around the array, is left to that.

// unmarshalManifest is json.Unmarshal of a manifest.
func unmarshalManifest(data []byte, m *Manifest) error {
	around, lines, ok := cutArray(data, "files")
	if !ok {
		return json.Unmarshal(data, m)
	}
	files := make([]File, 0, bytes.Count(lines, []byte("\n"))/linesOfFile)
	for r := (lineReader{left: lines}); len(r.left) > 0 || r.failed; {
		f := File{Path: r.opening("path")}
		f.Size, f.CRC32C = r.number("size"), r.small("crc32c")
		if f.SHA256 = r.closing("sha256"); r.failed {
			return json.Unmarshal(data, m)
		}
		files = append(files, f)
	}
	rest := struct {
		*Manifest

		Files occurrences `json:"files"`
	}{Manifest: m}
	if err := json.Unmarshal(around, &rest); err != nil {
		return err
	}
	if m.Files = files; rest.Files != 1 {
		*m = Manifest{}
		return json.Unmarshal(data, m)
	}
	return nil
}

// unmarshalPacks is json.Unmarshal of the packs that a segment needs.
func unmarshalPacks(data []byte, p *SegmentPacks) error {
	around, lines, ok := cutArray(data, "packs")
	if !ok {
		return json.Unmarshal(data, p)
	}
	packs := make([]SegmentPack, 0, bytes.Count(lines, []byte("\n"))/linesOfPack)
	for r := (lineReader{left: lines}); len(r.left) > 0 || r.failed; {
		pack := SegmentPack{PackRef: PackRef{ID: r.opening("pack"), Key: r.text("key")}}
		pack.Size, pack.CRC32C, pack.SHA256 = r.number("size"), r.small("crc32c"), r.text("sha256")
		if pack.LiveBytes = r.lastNumber("liveBytes"); r.failed {
			return json.Unmarshal(data, p)
		}
		packs = append(packs, pack)
	}
	rest := struct {
		*SegmentPacks

		Packs occurrences `json:"packs"`
	}{SegmentPacks: p}
	if err := json.Unmarshal(around, &rest); err != nil {
		return err
	}
	if p.Packs = packs; rest.Packs != 1 {
		*p = SegmentPacks{}
		return json.Unmarshal(data, p)
	}
	return nil
}

// occurrences counts the members of a name, in whatever case it is written: of several
// the last one would count.
type occurrences int

// UnmarshalJSON implements json.Unmarshaler.
func (n *occurrences) UnmarshalJSON([]byte) error {
	*n++
	return nil
}

// How many lines an entry of either array takes.
const (
	linesOfFile = 6
	linesOfPack = 8
)

// cutArray finds an array at the top of a document, and returns its lines and the
// document with an empty array in its place. No string of JSON holds a line's end, so
// what is indented by one blank is at the top.
func cutArray(data []byte, name string) (around, lines []byte, ok bool) {
	head, rest, ok := bytes.Cut(data, []byte("\n \""+name+"\": [\n"))
	if !ok {
		return nil, nil, false
	}
	lines, tail, ok := bytes.Cut(rest, []byte("\n ]"))
	if !ok {
		return nil, nil, false
	}
	around = make([]byte, 0, len(head)+len(tail)+len(name)+len("\n \"\": []"))
	around = append(append(around, head...), "\n \""+name+"\": []"...)
	return append(around, tail...), lines, true
}

// lineReader reads objects of known members, a line each. Once anything is not as
// expected, it has failed.
type lineReader struct {
	left   []byte
	failed bool
}

// take returns what stands between a beginning and an end of the next line.
func (r *lineReader) take(begin, end string) []byte {
	line, left, _ := bytes.Cut(r.left, []byte("\n"))
	r.left = left
	value, ok := bytes.CutPrefix(line, []byte(begin))
	value, closed := bytes.CutSuffix(value, []byte(end))
	r.failed = r.failed || !ok || !closed
	return value
}

// opening reads the line that begins an object, and its first member.
func (r *lineReader) opening(name string) string {
	r.failed = len(r.take("  {", "")) > 0 || r.failed
	return r.text(name)
}

// closing reads the last member, and the line that ends an object.
func (r *lineReader) closing(name string) string {
	value := r.plain(r.take("   \""+name+"\": \"", "\""))
	r.end()
	return value
}

// lastNumber is closing of a number.
func (r *lineReader) lastNumber(name string) int64 {
	n := r.digits(r.take("   \""+name+"\": ", ""))
	r.end()
	return n
}

// end reads the line that ends an object. A comma follows unless it is the last.
func (r *lineReader) end() {
	more := r.take("  }", "")
	r.failed = r.failed || string(more) != "," && len(more) > 0 || (len(more) > 0) != (len(r.left) > 0)
}

func (r *lineReader) text(name string) string {
	return r.plain(r.take("   \""+name+"\": \"", "\","))
}

func (r *lineReader) number(name string) int64 { return r.digits(r.take("   \""+name+"\": ", ",")) }

func (r *lineReader) small(name string) uint32 {
	n := r.number(name)
	r.failed = r.failed || n > 1<<32-1
	return uint32(n) // see above
}

// plain takes a string that is written without any escape.
func (r *lineReader) plain(value []byte) string {
	for _, c := range value {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			r.failed = true
			break
		}
	}
	return string(value)
}

// digits takes a number as it is written by any program: no sign, no zero before it.
func (r *lineReader) digits(value []byte) int64 {
	const most = 18 // so many always fit
	n, err := strconv.ParseUint(string(value), 10, 63)
	r.failed = r.failed || err != nil || len(value) > most || len(value) > 1 && value[0] == '0'
	return int64(n) // of 63 bits
}
