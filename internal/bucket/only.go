package bucket

// Only returns settings with which just these buckets are captured, as far as
// they can be read: it is for keeping what is about to be overwritten, and what
// cannot be read is lost already.
func (s *Settings) Only(buckets []string) *Settings {
	only := *s
	only.Buckets, only.Unreadable, only.Versions = buckets, toleratesUnreadable, currentVersions
	return &only
}
