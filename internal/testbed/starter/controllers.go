package starter

import (
	"context"
	"fmt"
	"net/http"
)

// controllers are those that deployments and stateful sets need, and the one that
// removes what their owners leave behind. Nothing schedules pods or runs them: a
// pod is deleted at once, or, where a test has bound it to a node, when the test
// removes it as a node would.
const controllers = "deployment-controller,replicaset-controller,statefulset-controller,garbage-collector-controller"

// startControllers starts them beside an API server that can be used.
func (tb *Testbed) startControllers(ctx context.Context) error {
	path, err := tb.binary(ctx, controllerManager)
	if err != nil {
		return err
	}
	return tb.serve(ctx, service{
		ports:   []string{"controllers"},
		command: func() process { return tb.controllersProcess(path) },
		ready:   tb.checkControllers,
	})
}

func (tb *Testbed) controllersProcess(path string) process {
	return process{
		name: "controllers", path: path, dir: tb.data("controllers"), log: tb.log("controllers"),
		args: []string{
			"--kubeconfig=" + tb.kubeconfig(),
			"--master=" + tb.kubeURL(), // so that another address of the API server is another command
			"--controllers=" + controllers,
			"--leader-elect=false",
			"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", tb.port("controllers")),
			"--cert-dir=" + tb.data("controllers"),
			"--tls-cert-file=" + tb.kubePath("server.crt"), "--tls-private-key-file=" + tb.kubePath("server.key"),
			// Tests make many small changes and wait for each.
			"--kube-api-qps=500", "--kube-api-burst=1000",
		},
	}
}

func (tb *Testbed) checkControllers(ctx context.Context) error {
	client, end, err := tb.kubeClient()
	if err != nil {
		return err
	}
	defer end()
	return ask(ctx, client, http.MethodGet, "https://"+tb.address("controllers")+"/healthz", "", http.StatusOK)
}
