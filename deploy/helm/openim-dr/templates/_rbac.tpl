{{/*
What the configuration takes in the cluster, as `openim-dr config rbac` computes it, and a
test holds the two against each other. Only a kubeconfig-less source is of this cluster.

A grant is "PLACE group resource name verb"; the place is a namespace, or * for the whole
cluster, and a name is - where it is none in particular.
*/}}

{{- define "openim-dr.isPattern" -}}
{{- if regexMatch "[*?\\[\\\\]" . -}}true{{- end -}}
{{- end -}}

{{/* Resources of Kubernetes itself that belong to no namespace. */}}
{{- define "openim-dr.clusterScoped" -}}
persistentvolumes nodes
mutatingwebhookconfigurations.admissionregistration.k8s.io validatingwebhookconfigurations.admissionregistration.k8s.io
validatingadmissionpolicies.admissionregistration.k8s.io validatingadmissionpolicybindings.admissionregistration.k8s.io
customresourcedefinitions.apiextensions.k8s.io apiservices.apiregistration.k8s.io
certificatesigningrequests.certificates.k8s.io
flowschemas.flowcontrol.apiserver.k8s.io prioritylevelconfigurations.flowcontrol.apiserver.k8s.io
ingressclasses.networking.k8s.io ipaddresses.networking.k8s.io servicecidrs.networking.k8s.io
runtimeclasses.node.k8s.io
clusterroles.rbac.authorization.k8s.io clusterrolebindings.rbac.authorization.k8s.io
deviceclasses.resource.k8s.io resourceslices.resource.k8s.io
priorityclasses.scheduling.k8s.io
csidrivers.storage.k8s.io csinodes.storage.k8s.io storageclasses.storage.k8s.io
volumeattachments.storage.k8s.io volumeattributesclasses.storage.k8s.io
volumesnapshotclasses.snapshot.storage.k8s.io volumesnapshotcontents.snapshot.storage.k8s.io
volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io
{{- end -}}

{{/* Where rights are granted for a source (.source): a Role knows no patterns. */}}
{{- define "openim-dr.places" -}}
{{- $places := .source.namespaces | default (list "*") | uniq -}}
{{- range $places -}}
{{- if include "openim-dr.isPattern" . -}}{{- $places = list "*" -}}{{- end -}}
{{- end -}}
{{- toJson $places -}}
{{- end -}}

{{/* What it takes to capture a source (.source), as JSON. */}}
{{- define "openim-dr.grants" -}}
{{- $grants := list -}}
{{- $source := .source -}}
{{- $scoped := concat (splitList " " (include "openim-dr.clusterScoped" . | replace "\n" " ")) .clusterScoped -}}
{{- $places := include "openim-dr.places" . | fromJsonArray -}}
{{- range $places -}}
{{- if eq . "*" -}}
{{- $grants = concat $grants (list "*  namespaces - get" "*  namespaces - list") -}}
{{- else -}}
{{- $grants = append $grants (printf "%s  namespaces %s get" . .) -}}
{{- end -}}
{{- end -}}
{{- $excluded := ($source.exclude | default dict).kinds | default list -}}
{{- range $kind := $source.kinds | default (list "secrets" "configmaps") -}}
{{- range concat (list $kind) $excluded -}}
{{- if include "openim-dr.isPattern" . -}}
{{- fail (printf "\n\nconfig.sources: source %s chooses kinds by the pattern %s, and a chart cannot ask the cluster what that means.\nSet rbac.create to false and grant what this prints, or name the kinds:\n\n  openim-dr config rbac --source %s --service-account %s | kubectl apply -f -\n" $source.name . $source.name $.account) -}}
{{- end -}}
{{- end -}}
{{- $parts := splitn "." 2 (lower $kind) -}}
{{- if not (has (lower $kind) $excluded) -}}
{{- range (ternary (list "*") $places (has (lower $kind) $scoped)) -}}
{{- $grants = append $grants (printf "%s %s %s - list" . ($parts._1 | default "") $parts._0) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $source.volumes -}}
{{- $claims := printf "%s  persistentvolumeclaims -" .namespace -}}
{{- $snapshots := printf "%s snapshot.storage.k8s.io volumesnapshots -" .namespace -}}
{{- $grants = concat $grants (list (printf "%s list" $claims) (printf "%s get" $claims) (printf "%s list" $snapshots) (printf "%s get" $snapshots)) -}}
{{- if .group -}}
{{- $groups := printf "%s groupsnapshot.storage.k8s.io volumegroupsnapshots -" .namespace -}}
{{- $grants = concat $grants (list (printf "%s get" $groups) (printf "%s list" $groups) (printf "%s create" $groups) (printf "%s delete" $groups)) -}}
{{- else -}}
{{- $grants = concat $grants (list (printf "%s create" $snapshots) (printf "%s delete" $snapshots)) -}}
{{- end -}}
{{- $grants = append $grants "* snapshot.storage.k8s.io volumesnapshotcontents - get" -}}
{{- if not (has "*" $places) -}}
{{- $grants = append $grants "kube-system  namespaces kube-system get" -}}
{{- end -}}
{{- end -}}
{{- include "openim-dr.compact" $grants -}}
{{- end -}}

{{/* What doctor looks at, beside what is captured, in the places of a source (.source). */}}
{{- define "openim-dr.grants.doctor" -}}
{{- $grants := list "*  persistentvolumes - list" "* snapshot.storage.k8s.io volumesnapshotclasses - list" -}}
{{- range include "openim-dr.places" . | fromJsonArray -}}
{{- $grants = concat $grants (list (printf "%s  persistentvolumeclaims - list" .) (printf "%s  pods - list" .) (printf "%s apps daemonsets - list" .) (printf "%s apps deployments - list" .) (printf "%s apps statefulsets - list" .) (printf "%s batch cronjobs - list" .)) -}}
{{- end -}}
{{- range .source.volumes -}}
{{- $grants = append $grants "*  persistentvolumes - get" -}}
{{- $grants = append $grants (ternary "* groupsnapshot.storage.k8s.io volumegroupsnapshotclasses - get" "* snapshot.storage.k8s.io volumesnapshotclasses - get" (.group | default false)) -}}
{{- end -}}
{{- include "openim-dr.compact" $grants -}}
{{- end -}}

{{/* Each grant once, and not in a namespace where it is had in all. */}}
{{- define "openim-dr.compact" -}}
{{- $once := list -}}
{{- range uniq . | sortAlpha -}}
{{- $everywhere := printf "* %s" (index (splitn " " 2 .) "_1") -}}
{{- if or (hasPrefix "* " .) (not (has $everywhere $)) -}}
{{- $once = append $once . -}}
{{- end -}}
{{- end -}}
{{- toJson $once -}}
{{- end -}}

{{/* The rules of a place (.place) from grants (.grants): one for all resources of a group
     of which the same is granted. */}}
{{- define "openim-dr.rules" -}}
{{- $verbs := dict -}}
{{- range .grants -}}
{{- $part := splitn " " 5 . -}}
{{- if eq $part._0 $.place -}}
{{- $object := printf "%s %s %s" $part._1 $part._2 $part._3 -}}
{{- $_ := set $verbs $object (append (get $verbs $object | default list) $part._4) -}}
{{- end -}}
{{- end -}}
{{- $rules := dict -}}
{{- range $object := keys $verbs | sortAlpha -}}
{{- $part := splitn " " 3 $object -}}
{{- $rule := printf "%s %s %s" $part._0 $part._2 (get $verbs $object | uniq | sortAlpha | join ",") -}}
{{- $_ := set $rules $rule (append (get $rules $rule | default list) $part._1) -}}
{{- end -}}
{{- range $rule := keys $rules | sortAlpha }}
{{- $part := splitn " " 3 $rule }}
- apiGroups: [{{ $part._0 | quote }}]
  resources: {{ get $rules $rule | toJson }}
  {{- if ne $part._1 "-" }}
  resourceNames: [{{ $part._1 }}]
  {{- end }}
  verbs: {{ splitList "," $part._2 | toJson }}
{{- end }}
{{- end -}}

{{/* Roles and bindings of grants (.grants), one for each place, for a purpose (.purpose). */}}
{{- define "openim-dr.roles" -}}
{{- $account := include "openim-dr.serviceAccount" .root -}}
{{- $name := printf "%s:%s:%s" .root.Release.Namespace $account .purpose -}}
{{- $places := list -}}
{{- range .grants -}}
{{- $places = append $places (splitn " " 2 .)._0 -}}
{{- end -}}
{{- range $place := $places | uniq }}
{{- $kind := ternary "ClusterRole" "Role" (eq $place "*") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- if eq $kind "Role" }}
  namespace: {{ $place }}
  {{- end }}
  labels: {{- include "openim-dr.labels" $.root | nindent 4 }}
rules: {{- include "openim-dr.rules" (dict "place" $place "grants" $.grants) | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name }}
  {{- if eq $kind "Role" }}
  namespace: {{ $place }}
  {{- end }}
  labels: {{- include "openim-dr.labels" $.root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    namespace: {{ $.root.Release.Namespace }}
    name: {{ $account }}
{{- end }}
{{- end -}}
