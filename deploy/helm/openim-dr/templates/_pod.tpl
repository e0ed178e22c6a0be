{{- define "openim-dr.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "openim-dr.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The container of the daemon and of helm test: .arguments, .context. */}}
{{- define "openim-dr.container" -}}
{{- $ := .context -}}
image: {{ include "openim-dr.image" $ }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
args: {{ toJson .arguments }}
env:
  - {name: OPENIM_DR_CONFIG, value: /config/openim-dr.yaml}
  {{- with include "openim-dr.env" (dict "config" (include "openim-dr.config" $ | fromYaml) "secret" (include "openim-dr.secret" $)) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $.Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $.Values.envFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "openim-dr.containerSecurity" $ | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /config, readOnly: true}
  - {name: secret, mountPath: /etc/openim-dr, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- with $.Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "openim-dr.volumes" -}}
- name: config
  configMap: {name: {{ include "openim-dr.fullname" . }}}
- name: secret
  secret: {secretName: {{ include "openim-dr.secret" . }}, defaultMode: 0440}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.tmpSize }}}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where a pod may run. */}}
{{- define "openim-dr.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
