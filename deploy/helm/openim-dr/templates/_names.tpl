{{- define "openim-dr.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* A release that is called openim-dr has objects that are called openim-dr. */}}
{{- define "openim-dr.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "openim-dr.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "openim-dr.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "openim-dr.selector" -}}
app.kubernetes.io/name: {{ include "openim-dr.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "openim-dr.labels" -}}
{{ include "openim-dr.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "openim-dr.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "openim-dr.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "openim-dr.secret" -}}
{{- default (include "openim-dr.fullname" .) .Values.secret.existing -}}
{{- end -}}

{{- define "openim-dr.drill.name" -}}
{{- printf "%s-drill" (include "openim-dr.fullname" .) -}}
{{- end -}}

{{- define "openim-dr.drill.namespace" -}}
{{- default (printf "%s-drill" .Release.Namespace) .Values.drill.namespace -}}
{{- end -}}

{{- define "openim-dr.drill.secret" -}}
{{- default (include "openim-dr.drill.name" .) .Values.drill.secret.existing -}}
{{- end -}}

{{/* A digest decides, and a tag beside it is for people. */}}
{{- define "openim-dr.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if .Values.image.digest -}}
{{- printf "%s:%s@%s" .Values.image.repository $tag .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- end -}}
{{- end -}}
