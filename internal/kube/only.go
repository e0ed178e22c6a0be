package kube

// Only returns settings with which just these namespaces are captured.
func (s *Settings) Only(namespaces []string) *Settings {
	only := *s
	only.Namespaces = namespaces
	return &only
}
