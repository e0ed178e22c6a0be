{{/* The configuration as it was given, which has to be there. To Helm, which reads YAML
     1.1, the key `on` is the word true. */}}
{{- define "openim-dr.config" -}}
{{- if not .Values.config -}}
{{- fail "\n\nconfig is empty: it is the configuration of openim-dr, see docs/CONFIG.md and `openim-dr config example`." -}}
{{- end -}}
{{- if not .Values.config.schedules -}}
{{- fail "\n\nconfig.schedules is empty: the daemon would have nothing to do." -}}
{{- end -}}
{{- $config := deepCopy .Values.config -}}
{{- range concat ($config.hooks | default list) ($config.notifications | default list) -}}
{{- if hasKey . "true" -}}
{{- $_ := set . "on" (get . "true") -}}
{{- $_ := unset . "true" -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Names of environment variables that a configuration (.config, a tree) refers to as
     env:NAME, and that its storages read themselves, as a list in JSON. */}}
{{- define "openim-dr.variables" -}}
{{- $names := list -}}
{{- range regexFindAll "\\benv:[A-Za-z_][A-Za-z0-9_]*" (toYaml .config) -1 -}}
{{- $names = append $names (trimPrefix "env:" .) -}}
{{- end -}}
{{- toJson ($names | uniq | sortAlpha) -}}
{{- end -}}

{{/* Whether the configuration refers to a URL of a scheme, as "true" or nothing. */}}
{{- define "openim-dr.stores" -}}
{{- $scheme := .scheme -}}
{{- $found := hasPrefix $scheme (.config.repository | default dict).url -}}
{{- if hasPrefix $scheme ((.config.repository | default dict).control | default "") -}}{{- $found = true -}}{{- end -}}
{{- range .config.copies -}}
{{- if hasPrefix $scheme (.url | default "") -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- if $found -}}true{{- end -}}
{{- end -}}

{{/* The variables as entries of env, from a Secret's keys of the same names. */}}
{{- define "openim-dr.env" -}}
{{- $secret := .secret -}}
{{- range include "openim-dr.variables" . | fromJsonArray }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- if include "openim-dr.stores" (dict "config" .config "scheme" "s3://") }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}, optional: true}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The scheme of what the daemon answers. */}}
{{- define "openim-dr.http.scheme" -}}
{{- $http := ((include "openim-dr.config" . | fromYaml).daemon | default dict).http | default dict -}}
{{- if $http.certificate -}}HTTPS{{- else -}}HTTP{{- end -}}
{{- end -}}

{{/* The key in the Secret that holds the token of the metrics, or nothing. */}}
{{- define "openim-dr.http.tokenKey" -}}
{{- $token := (((include "openim-dr.config" . | fromYaml).daemon | default dict).http | default dict).token | default "" -}}
{{- if hasPrefix "env:" $token -}}
{{- trimPrefix "env:" $token -}}
{{- else if hasPrefix "file:/etc/openim-dr/" $token -}}
{{- trimPrefix "file:/etc/openim-dr/" $token -}}
{{- end -}}
{{- end -}}
