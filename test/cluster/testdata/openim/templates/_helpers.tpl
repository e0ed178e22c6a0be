{{- define "openim.container" -}}
image: {{ .Values.images.openim | quote }}
env:
  - {name: MYSQL_ADDRESS, valueFrom: {configMapKeyRef: {name: openim-cm, key: mysqlAddress}}}
  - {name: S3_ENDPOINT, valueFrom: {configMapKeyRef: {name: openim-cm, key: s3Endpoint}}}
  - {name: MYSQL_PASSWORD, valueFrom: {secretKeyRef: {name: openim-mysql, key: mysql-root-password}}}
  - {name: S3_ACCESS_KEY, valueFrom: {secretKeyRef: {name: openim-s3, key: accessKey}}}
  - {name: S3_SECRET_KEY, valueFrom: {secretKeyRef: {name: openim-s3, key: secretKey}}}
  - {name: JOURNAL, value: /journal}
readinessProbe: {httpGet: {path: /readyz, port: 10002}, periodSeconds: 1}
volumeMounts: [{name: journal, mountPath: /journal}]
{{- end -}}

{{- /* The journal is on the node: it outlives the namespace. */ -}}
{{- define "openim.volumes" -}}
- {name: journal, hostPath: {path: {{ .Values.journal }}, type: DirectoryOrCreate}}
{{- end -}}
