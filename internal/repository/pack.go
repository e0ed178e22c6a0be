package repository

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// paxKey is the PAX record that holds a member's object key. Members
// themselves are named by number: no key can hurt whoever runs tar.
const paxKey = "OPENIMDR.key"

const compressedSuffix = ".zst"

// PackRef names a pack and what it is as stored.
type PackRef struct {
	ID     string `json:"pack"`
	Key    string `json:"key"` // the pack key that it is sealed to
	Size   int64  `json:"size"`
	CRC32C uint32 `json:"crc32c"`
	SHA256 string `json:"sha256"`
}

func (p PackRef) sums() seal.Sums { return seal.Sums{Size: p.Size, CRC32C: p.CRC32C, SHA256: p.SHA256} }

// Extent is where an object lies in the plaintext tar of its pack: Length
// bytes from Offset hold the headers, the data and the padding of Members
// consecutive members, the first of which is number Ordinal. Cut out, they are
// a tar that any tar program reads.
type Extent struct {
	Ordinal int   `json:"ordinal,omitempty"`
	Members int   `json:"members,omitempty"`
	Offset  int64 `json:"offset,omitempty"`
	Length  int64 `json:"length,omitempty"`
}

// PackWriter writes one pack. It is not safe for concurrent use.
type PackWriter struct {
	source  *SourceDraft
	id      string
	key     seal.Identity
	upload  storage.Upload
	sealed  *seal.Writer
	tar     *tar.Writer
	members int
}

// CreatePack starts a pack, sealed to the run's pack key.
func (s *SourceDraft) CreatePack(ctx context.Context) (*PackWriter, error) {
	key, err := s.draft.packKey(ctx)
	if err != nil {
		return nil, err
	}
	p := &PackWriter{source: s, id: randomName(26), key: key}
	if p.upload, err = s.draft.writer.store.Create(ctx, packPath(p.id)); err != nil {
		return nil, fmt.Errorf("create pack %s: %w", p.id, err)
	}
	if p.sealed, err = seal.NewWriter(p.upload, seal.Raw, key.Recipient().Recipient); err != nil {
		p.upload.Abort()
		return nil, fmt.Errorf("create pack %s: %w", p.id, err)
	}
	p.tar = tar.NewWriter(p.sealed)
	s.draft.opened(packPath(p.id))
	return p, nil
}

// ID names the pack.
func (p *PackWriter) ID() string { return p.id }

// Size returns the bytes of plaintext so far.
func (p *PackWriter) Size() int64 { return p.sealed.Plain() }

// Add appends one member with exactly size bytes of r, which are a zstd frame
// where compressed is set. Members of one large object are added one after
// the other under the same key, and their extents joined with Join.
func (p *PackWriter) Add(key string, compressed bool, size int64, r io.Reader) (Extent, error) {
	p.members++
	at := Extent{Ordinal: p.members, Members: 1, Offset: p.Size()}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: memberName(p.members, compressed), Size: size, Mode: 0o600,
		ModTime: time.Unix(0, 0), Format: tar.FormatPAX, PAXRecords: map[string]string{paxKey: key},
	}
	if err := p.tar.WriteHeader(header); err != nil {
		return Extent{}, fmt.Errorf("write pack %s: %w", p.id, err)
	}
	n, err := io.Copy(p.tar, r)
	if err != nil {
		return Extent{}, fmt.Errorf("write pack %s: %w", p.id, err)
	}
	if n != size {
		return Extent{}, fmt.Errorf("write pack %s: member of %d bytes got %d: %w", p.id, size, n, io.ErrUnexpectedEOF)
	}
	if err := p.tar.Flush(); err != nil {
		return Extent{}, fmt.Errorf("write pack %s: %w", p.id, err)
	}
	at.Length = p.Size() - at.Offset
	return at, nil
}

// Join extends e by the member that follows it.
func (e *Extent) Join(next Extent) {
	if e.Members == 0 {
		*e = next
		return
	}
	e.Members += next.Members
	e.Length += next.Length
}

// Commit ends the pack and makes it durable.
func (p *PackWriter) Commit() (PackRef, error) {
	if err := p.tar.Close(); err != nil {
		return PackRef{}, fmt.Errorf("write pack %s: %w", p.id, err)
	}
	sums, err := commitSealed(p.sealed, p.upload)
	if err != nil {
		return PackRef{}, fmt.Errorf("write pack %s: %w", p.id, err)
	}
	p.source.addStored(sums.Size)
	p.source.draft.closed(packPath(p.id))
	return PackRef{p.id, p.key.Recipient().KeyID(), sums.Size, sums.CRC32C, sums.SHA256}, nil
}

// Abort gives the pack up. It does nothing after Commit.
func (p *PackWriter) Abort() {
	p.upload.Abort()
	p.source.draft.closed(packPath(p.id))
}

func memberName(ordinal int, compressed bool) string {
	if compressed {
		return fmt.Sprintf("%06d%s", ordinal, compressedSuffix)
	}
	return fmt.Sprintf("%06d", ordinal)
}

// PackMember is a member met while a pack is read in order.
type PackMember struct {
	Key        string
	Ordinal    int
	Compressed bool
	Size       int64
}

// PackReader reads a pack from its beginning. It is not safe for concurrent
// use.
type PackReader struct {
	file io.ReadCloser
	members
}

// OpenPack reads a whole pack in order.
func (s *SourceReader) OpenPack(ctx context.Context, ref PackRef) (*PackReader, error) {
	file, err := s.openSealed(ctx, packPath(ref.ID), seal.Raw, ref.sums(), ref.Key)
	if err != nil {
		return nil, err
	}
	return &PackReader{file, newMembers(file)}, nil
}

// Close gives the pack up.
func (p *PackReader) Close() error { return errors.Join(p.closeDecoder(), p.file.Close()) }

// members walks a tar or a fragment of one.
type members struct {
	tar     *tar.Reader
	source  *noting
	decoder *zstd.Decoder
}

func newMembers(source io.Reader) members {
	noted := &noting{source: source}
	return members{tar: tar.NewReader(noted), source: noted}
}

// noting remembers the error that its source ended with: tar and zstd do not
// tell one of theirs from one that they pass on.
type noting struct {
	source io.Reader
	err    error
}

func (n *noting) Read(p []byte) (int, error) {
	read, err := n.source.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return read, err
}

// Next returns the next member with a reader of its decompressed content, and
// io.EOF only after everything was read and verified.
func (m *members) Next() (PackMember, io.Reader, error) {
	header, err := m.tar.Next()
	if errors.Is(err, io.EOF) {
		// The tar's own end is not the file's: read on to the verified one.
		if _, err := io.Copy(io.Discard, m.source); err != nil {
			return PackMember{}, nil, err
		}
		return PackMember{}, nil, io.EOF
	}
	if err != nil {
		return PackMember{}, nil, m.damaged(err)
	}
	member := PackMember{Key: header.PAXRecords[paxKey], Size: header.Size, Compressed: strings.HasSuffix(header.Name, compressedSuffix)}
	if _, err := fmt.Sscanf(header.Name, "%d", &member.Ordinal); err != nil {
		return PackMember{}, nil, fault.New(fault.Corrupt, "read pack", "a member is named %q", header.Name)
	}
	if !member.Compressed {
		return member, m.tar, nil
	}
	content, err := m.decompress()
	return member, content, err
}

func (m *members) decompress() (io.Reader, error) {
	if m.decoder != nil {
		if err := m.decoder.Reset(m.tar); err != nil {
			return nil, m.damaged(err)
		}
		return m.decoder, nil
	}
	var err error
	m.decoder, err = zstd.NewReader(m.tar, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, m.damaged(err)
	}
	return m.decoder, nil
}

func (m *members) closeDecoder() error {
	if m.decoder != nil {
		m.decoder.Close()
	}
	return nil
}

// damaged classes a tar or zstd error, unless what is underneath was to blame.
func (m *members) damaged(err error) error {
	if m.source.err != nil {
		return m.source.err
	}
	return fault.New(fault.Corrupt, "read pack", "%s", err.Error()) // as text: an io.EOF in it is no end
}

// OpenExtent returns one object's content, decompressed and joined, by ranged
// reads: age can seek, so only the chunks around the extent are fetched. That
// the content is the object's is for the caller to check by its SHA-256.
func (s *SourceReader) OpenExtent(ctx context.Context, ref PackRef, key string, at Extent) (io.ReadCloser, error) {
	src := &rangeReader{ctx: ctx, contents: s.repo.contents, pack: PackFile(ref), name: packPath(ref.ID), size: ref.Size, extent: at}
	plain, size, err := age.DecryptReaderAt(src, ref.Size, s.ring.identitiesFor(ctx, ref.Key)...)
	if err != nil {
		return nil, errors.Join(storedError(src.name, src.blame(err)), src.Close())
	}
	if at.Offset < 0 || at.Length < 0 || at.Offset > size || at.Length > size-at.Offset {
		return nil, errors.Join(fault.New(fault.Corrupt, "read "+src.name, "an extent of %d bytes at %d lies beyond its %d", at.Length, at.Offset, size), src.Close())
	}
	fragment := io.NewSectionReader(plain, at.Offset, at.Length)
	return &extentReader{src: src, key: key, at: at, members: newMembers(fragment)}, nil
}

// extentReader joins the members of one object.
type extentReader struct {
	members
	src     *rangeReader
	key     string
	at      Extent
	seen    int
	content io.Reader
}

func (e *extentReader) Read(p []byte) (int, error) {
	for {
		if e.content != nil {
			n, err := e.content.Read(p)
			if err == nil || !errors.Is(err, io.EOF) {
				return n, e.wrap(err)
			}
			if e.content = nil; n > 0 {
				return n, nil
			}
		}
		if e.seen == e.at.Members {
			return 0, io.EOF
		}
		member, content, err := e.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, e.wrap(err)
		}
		if err != nil || member.Key != e.key || member.Ordinal != e.at.Ordinal+e.seen {
			return 0, fault.New(fault.Corrupt, "read "+e.src.name, "the object is not at its place: member %d", e.at.Ordinal+e.seen)
		}
		e.seen++
		e.content = content
	}
}

func (e *extentReader) wrap(err error) error {
	if err == nil {
		return nil
	}
	return storedError(e.src.name, e.src.blame(err))
}

// Close gives the object up.
func (e *extentReader) Close() error { return errors.Join(e.closeDecoder(), e.src.Close()) }
