{{/* The configuration of the restore test: that of the daemon, with scratch servers in
     its own pod, and without what it has no business with. Where sources are stays in it,
     so that a drill refuses to restore into one; with what it takes to read them, passwords
     of scratch servers, nobody can. */}}
{{- define "openim-dr.drill.config" -}}
{{- $config := omit (include "openim-dr.config" . | fromYaml) "schedules" "hooks" "notifications" "heartbeat" "daemon" "copies" "caches" "quiesce" "retention" "targets" "verify" -}}
{{- $sources := list -}}
{{- range $config.sources -}}
{{- $kept := pick . "name" "kind" "address" "user" "schemas" "endpoint" "buckets" "namespaces" "kinds" "cluster" -}}
{{- if eq .kind "mysql" -}}
{{- $kept = set $kept "password" "env:SCRATCH_PASSWORD" -}}
{{- else if eq .kind "buckets" -}}
{{- $kept = merge $kept (dict "accessKey" "env:SCRATCH_ACCESS_KEY" "secretKey" "env:SCRATCH_SECRET_KEY") -}}
{{- end -}}
{{- $sources = append $sources $kept -}}
{{- end -}}
{{- $given := list -}}
{{- range include "openim-dr.drill.servers" . | fromJsonArray -}}
{{- if eq .kind "mysql" -}}
{{- $given = append $given (dict "name" .name "kind" .kind "address" (printf "127.0.0.1:%d" (int .port)) "user" "root" "password" "env:SCRATCH_PASSWORD" "tls" "preferred" "schemas" (list "*")) -}}
{{- else -}}
{{- $given = append $given (dict "name" .name "kind" .kind "endpoint" (printf "http://127.0.0.1:%d" (int .port)) "accessKey" "env:SCRATCH_ACCESS_KEY" "secretKey" "env:SCRATCH_SECRET_KEY" "buckets" .buckets) -}}
{{- end -}}
{{- end -}}
{{- $verify := merge (dict "scratch" "given" "given" "scratch") (deepCopy .Values.drill.verify) ((include "openim-dr.config" . | fromYaml).verify | default dict) -}}
{{- $verify = omit $verify "mysqlImage" "seaweedfsImage" "memory" "disk" "dataDirectory" -}}
{{- toYaml (merge (dict "sources" $sources "targets" (dict "scratch" $given) "verify" $verify) $config) -}}
{{- end -}}

{{/* The scratch servers, one for each source that takes one, as JSON. Several of a kind
     in one pod have ports of their own. */}}
{{- define "openim-dr.drill.servers" -}}
{{- $servers := list -}}
{{- $mysql := 3306 -}}
{{- $s3 := 8333 -}}
{{- range (include "openim-dr.config" . | fromYaml).sources -}}
{{- if eq .kind "mysql" -}}
{{- $servers = append $servers (dict "name" .name "kind" .kind "port" $mysql) -}}
{{- $mysql = add $mysql 1 -}}
{{- else if eq .kind "buckets" -}}
{{- $servers = append $servers (dict "name" .name "kind" .kind "port" $s3 "offset" (sub $s3 8333) "buckets" .buckets) -}}
{{- $s3 = add $s3 1 -}}
{{- end -}}
{{- end -}}
{{- toJson $servers -}}
{{- end -}}

{{- define "openim-dr.drill.labels" -}}
app.kubernetes.io/name: {{ include "openim-dr.name" . }}-drill
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: drill
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Variables of the drill: of its own part of the configuration alone. */}}
{{- define "openim-dr.drill.env" -}}
{{- $own := dict "repository" (dict "url" (include "openim-dr.config" . | fromYaml).repository.url) "verify" .Values.drill.verify -}}
{{- include "openim-dr.env" (dict "config" $own "secret" (include "openim-dr.drill.secret" .)) -}}
{{- range list "SCRATCH_PASSWORD" "SCRATCH_ACCESS_KEY" "SCRATCH_SECRET_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ include "openim-dr.drill.name" $ }}-scratch, key: {{ . }}}}
{{- end }}
{{- end -}}

{{/* A scratch MySQL (.server), which only its own pod reaches. */}}
{{- define "openim-dr.drill.mysql" -}}
{{- $mysql := .root.Values.drill.mysql -}}
- name: mysql-{{ .server.name | lower | replace "_" "-" | trunc 50 }}
  image: {{ $mysql.image }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  restartPolicy: Always
  args:
    - --port={{ .server.port }}
    - --bind-address=127.0.0.1
    # Quick, since nobody needs it after a crash, and doing nothing by itself: restored
    # events least of all.
    - --skip-log-bin
    - --innodb-flush-log-at-trx-commit=0
    - --innodb-doublewrite=OFF
    - --innodb-buffer-pool-size=640M
    - --loose-innodb-redo-log-capacity=256M
    - --local-infile=ON
    - --max-allowed-packet=1G
    - --event-scheduler=OFF
    - --loose-mysqlx=OFF
    - --loose-mysql-native-password=ON
    {{- with $mysql.arguments }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    - name: MYSQL_ROOT_PASSWORD
      valueFrom: {secretKeyRef: {name: {{ include "openim-dr.drill.name" .root }}-scratch, key: SCRATCH_PASSWORD}}
    - {name: MYSQL_ROOT_HOST, value: "127.0.0.1"}
  # Over TCP: while the image still makes its data directory nothing answers there.
  startupProbe:
    exec: {command: [sh, -c, 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysqladmin --protocol=tcp -h 127.0.0.1 -P {{ .server.port }} -u root ping']}
    periodSeconds: 2
    timeoutSeconds: 10
    failureThreshold: 300
  securityContext: {{- toYaml $mysql.securityContext | nindent 4 }}
  {{- with $mysql.resources }}
  resources: {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - {name: scratch-{{ .server.port }}, mountPath: /var/lib/mysql, subPath: data}
    - {name: scratch-{{ .server.port }}, mountPath: /var/run/mysqld, subPath: run}
    - {name: scratch-{{ .server.port }}, mountPath: /tmp, subPath: tmp}
{{- end -}}

{{/* A scratch SeaweedFS (.server), all of its parts in one process. */}}
{{- define "openim-dr.drill.seaweedfs" -}}
{{- $weed := .root.Values.drill.seaweedfs -}}
{{- $offset := int .server.offset -}}
- name: seaweedfs-{{ .server.name | lower | replace "_" "-" | trunc 50 }}
  image: {{ $weed.image }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  restartPolicy: Always
  # The image's entry point would say some of this itself, and other things.
  command: [/usr/bin/weed]
  args:
    - -logtostderr=true
    - server
    - -dir=/data
    - -ip=127.0.0.1
    - -ip.bind=127.0.0.1
    - -master.port={{ add 9333 $offset }}
    - -master.volumePreallocate=false
    - -master.volumeSizeLimitMB=30000
    - -volume.port={{ add 8080 $offset }}
    - -volume.max=1000
    - -filer
    - -filer.port={{ add 8888 $offset }}
    - -s3
    - -s3.port={{ .server.port }}
    - -s3.config=/etc/seaweedfs-s3/s3.json
    {{- with $weed.arguments }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  # An answer of S3, and a volume that takes writes.
  startupProbe:
    exec: {command: [sh, -c, 'wget -q -O /dev/null http://127.0.0.1:{{ .server.port }}/status && wget -q -O - http://127.0.0.1:{{ add 9333 $offset }}/dir/assign | grep -q fid']}
    periodSeconds: 2
    timeoutSeconds: 10
    failureThreshold: 300
  securityContext: {{- toYaml $weed.securityContext | nindent 4 }}
  {{- with $weed.resources }}
  resources: {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - {name: scratch-{{ .server.port }}, mountPath: /data, subPath: data}
    - {name: scratch-{{ .server.port }}, mountPath: /tmp, subPath: tmp}
    - {name: s3, mountPath: /etc/seaweedfs-s3, readOnly: true}
{{- end -}}
