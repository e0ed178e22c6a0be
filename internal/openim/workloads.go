package openim

// Stage is a group of OpenIM's workloads that may be stopped at the same time.
type Stage struct {
	Name string
	// Workloads are names of Deployments and StatefulSets, or patterns with *.
	Workloads []string
}

// Stages are the workloads that write, in the order in which they are stopped:
// first what clients reach, so that nothing new comes in, then what carries
// messages on, then what the others call. They are started in the opposite
// order.
func Stages() []Stage {
	return []Stage{
		{"entry", workloads("openim-msggateway", "openim-msggateway-proxy", "openim-api", "chat-api", "admin-api", "bot-api")},
		{"transfer", workloads("openim-msgtransfer", "openim-push", "openim-crontask")},
		{"rpc", workloads("openim-rpc-*", "chat-rpc", "admin-rpc", "bot-rpc", "office-rpc")},
	}
}

// workloads lists each name as manifests have it and with the prefix that a chart
// puts before it: a release's name, or openim- before the parts of the chat server.
func workloads(names ...string) []string {
	patterns := make([]string, 0, 2*len(names))
	for _, name := range names {
		patterns = append(patterns, name, "*-"+name)
	}
	return patterns
}
