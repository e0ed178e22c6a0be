package notify

// Letter is one message. It holds no secret.
type Letter struct {
	Title string `json:"title"`
	Text  string `json:"text"`
	// Key tells what the message is about: a later message of the same key is about
	// the same thing, and Over says that it has ended. A pager closes its incident then.
	Key  string `json:"key"`
	Over bool   `json:"over,omitempty"`
	// Severity is "critical" or "warning".
	Severity string `json:"severity,omitempty"`
}

// order is what the process that sends is told.
type order struct {
	Letter

	URL string `json:"url"`
}

// answer is what it says.
type answer struct {
	Sent bool `json:"sent"`
	// Reason is why not, without anything of the URL; Final says that the same message
	// would be refused again.
	Reason string `json:"reason,omitempty"`
	Final  bool   `json:"final,omitempty"`
}
