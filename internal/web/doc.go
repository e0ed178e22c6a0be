// Package web shows how a daemon and its deployment fare: documents in JSON under
// /api/v1/, and one page for people under /. It reads nothing itself and changes
// nothing: a Board keeps what others have seen, in short lines, and is asked for it.
package web
