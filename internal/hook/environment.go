package hook

import "os"

// inherited are the only variables of our own environment that a command
// sees. Everything else may be a secret: passwords are given to us in it.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR",
	// Where a pod finds the API server; what it may do there is in a file.
	"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
}

// environment returns what a command sees.
func environment(facts []string) []string {
	var list []string
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			list = append(list, name+"="+value)
		}
	}
	return append(list, facts...)
}
