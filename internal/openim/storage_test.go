package openim

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
)

func TestStorageThatGoesWithANode(t *testing.T) {
	const filer = "StatefulSet seaweedfs/seaweedfs-filer"
	tests := map[string]struct {
		workload Workload
		want     source.Severity // empty: nothing is said
	}{
		"the chart's default":              {Workload{filer, []string{"chrislusf/seaweedfs:3.39"}, nil, nil, map[string]string{"data-filer": "hostPath", "seaweedfs-filer-log-volume": "hostPath"}}, source.Error},
		"a pod's own directory":            {Workload{filer, []string{"r:5000/mirror/seaweedfs@sha256:00"}, nil, nil, map[string]string{"data": "emptyDir"}}, source.Error},
		"known by its labels":              {Workload{filer, []string{"weed:1"}, nil, map[string]string{"app.kubernetes.io/name": "seaweedfs"}, map[string]string{"data": "hostPath"}}, source.Error},
		"claims, and logs":                 {Workload{filer, []string{"chrislusf/seaweedfs:3.39"}, nil, nil, map[string]string{"data": "claim", "logs": "emptyDir", "config": ""}}, source.OK},
		"a name that holds log":            {Workload{filer, []string{"chrislusf/seaweedfs:3.39"}, nil, nil, map[string]string{"catalog": "hostPath"}}, source.Error},
		"its CSI driver":                   {Workload{"DaemonSet seaweedfs/csi", []string{"chrislusf/seaweedfs-csi-driver:1.2"}, nil, nil, map[string]string{"socket-dir": "emptyDir"}}, ""},
		"a filer without a volume":         {Workload{filer, []string{"chrislusf/seaweedfs:3.39"}, []string{"exec", "/usr/bin/weed", "-v=1", "filer", "-port=8888"}, nil, map[string]string{"config": "", "logs": "emptyDir"}}, source.Error},
		"a master known by its label":      {Workload{filer, []string{"chrislusf/seaweedfs:3.39"}, nil, map[string]string{"app.kubernetes.io/component": "master"}, nil}, source.Error},
		"its gateway, which keeps nothing": {Workload{filer, []string{"chrislusf/seaweedfs:3.39"}, []string{"weed", "s3", "-filer=filer:8888"}, nil, nil}, source.OK},
		"a claim that goes with the pod":   {Workload{filer, []string{"chrislusf/seaweedfs:3.39"}, nil, nil, map[string]string{"data": "ephemeral"}}, source.Error},
		"another program's data":           {Workload{"Deployment openim/fluentd", []string{"fluentd:1"}, nil, nil, map[string]string{"data": "hostPath"}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got source.Severity
			for _, f := range Storage([]Workload{tt.workload}) {
				got = f.Severity
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("severity (-want +got):\n%s", diff)
			}
		})
	}
}
