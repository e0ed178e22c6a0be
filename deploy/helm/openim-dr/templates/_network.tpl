{{/* Peers (of `to`) of a host in the configuration, seen from a namespace (.namespace). */}}
{{- define "openim-dr.peers" -}}
{{- $labels := splitList "." (trimSuffix "." .host) -}}
{{- $known := get (.networkPolicy.hosts | default dict) .host -}}
{{- if $known }}
{{ toYaml $known }}
{{- else if regexMatch "^[0-9.]+$" .host }}
- ipBlock: {cidr: {{ .host }}/32}
{{- else if contains ":" .host }}
- ipBlock: {cidr: {{ .host | quote }}/128}
{{- else if eq (len $labels) 1 }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .namespace }}}}
{{- else if or (eq (len $labels) 2) (eq (index $labels 2) "svc") }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ index $labels 1 }}}}
{{- else }}
{{- include "openim-dr.external" . }}
{{- end }}
{{- end -}}

{{/* Peers outside of the cluster: what is public, since what is private is production's. */}}
{{- define "openim-dr.external" }}
{{- range .networkPolicy.external.cidrs }}
- ipBlock:
    cidr: {{ . }}
    {{- if and (eq . "0.0.0.0/0") $.networkPolicy.external.except }}
    except: {{- toYaml $.networkPolicy.external.except | nindent 6 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* Whoever needs names resolves them. */}}
{{- define "openim-dr.egress.dns" -}}
- to: {{- toYaml .networkPolicy.dns | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* An address HOST:PORT (.address), or with .port where it names none. */}}
{{- define "openim-dr.egress.address" -}}
{{- $port := regexFind ":[0-9]+$" .address | trimPrefix ":" -}}
{{- $host := regexReplaceAll ":[0-9]+$" .address "" | trimAll "[]" -}}
- to: {{- include "openim-dr.peers" (merge (dict "host" $host) .) | trim | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ default .port $port | int }}}
{{- end -}}

{{/* A URL (.url). Those that are secrets, env: or file:, are outside of the cluster. */}}
{{- define "openim-dr.egress.url" -}}
{{- if regexMatch "^https?://" .url -}}
{{- $parsed := urlParse .url -}}
{{ include "openim-dr.egress.address" (merge (dict "address" $parsed.host "port" (ternary 443 80 (eq $parsed.scheme "https"))) .) }}
{{- else -}}
- to: {{- include "openim-dr.external" . | trim | nindent 4 }}
  ports:
    - {protocol: TCP, port: 443}
{{- end -}}
{{- end -}}

{{/* Where a repository or a copy (.url) is. */}}
{{- define "openim-dr.egress.storage" -}}
{{- if hasPrefix "gs://" .url -}}
- to: {{- include "openim-dr.external" . | trim | nindent 4 }}
  ports:
    - {protocol: TCP, port: 443}
# Tokens of Workload Identity are had from the node's metadata server.
- to: {{- toYaml .networkPolicy.metadataServer | nindent 4 }}
  ports:
    - {protocol: TCP, port: 80}
    - {protocol: TCP, port: 988}
{{- else if hasPrefix "s3://" .url -}}
{{- $endpoint := regexFind "[?&]endpoint=[^&]+" .url | regexFind "https?://.*|https?%3[aA]%2[fF]%2[fF].*" | replace "%3A" ":" | replace "%3a" ":" | replace "%2F" "/" | replace "%2f" "/" -}}
{{ include "openim-dr.egress.url" (merge (dict "url" (default "https://s3.amazonaws.com" $endpoint)) .) }}
{{- end -}}
{{- end -}}

{{/* A server of the configuration: an entry of sources or of targets (.server). */}}
{{- define "openim-dr.egress.server" -}}
{{- if eq .server.kind "mysql" -}}
{{ include "openim-dr.egress.address" (merge (dict "address" .server.address "port" 3306) .) }}
{{- else if eq .server.kind "buckets" -}}
{{ include "openim-dr.egress.url" (merge (dict "url" .server.endpoint) .) }}
{{- else if eq .server.kind "kubernetes" -}}
{{ include "openim-dr.egress.api" . }}
{{- end -}}
{{- end -}}

{{- define "openim-dr.egress.api" -}}
- to:
    {{- range .networkPolicy.apiServer.cidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports:
    {{- range .networkPolicy.apiServer.ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}
