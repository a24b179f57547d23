{{- define "halcyon.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* (dict "root" $ "component" "web"): what selects a kind of pod. Never changes. */}}
{{- define "halcyon.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "halcyon.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: halcyon
{{ include "halcyon.selector" . }}
{{- end -}}

{{- define "halcyon.image" -}}
{{- $tag := default .root.Chart.AppVersion .image.tag -}}
{{- if eq $tag "latest" -}}
{{- fail "An image tag must name one version, not \"latest\": replicas of one release would differ." -}}
{{- end -}}
{{- printf "%s:%s" .image.repository $tag -}}
{{- end -}}

{{- define "halcyon.secretName" -}}
{{- if .Values.secret.existing -}}
{{- .Values.secret.existing -}}
{{- else if .Values.secret.values -}}
{{- include "halcyon.fullname" . -}}
{{- else -}}
{{- fail "secret.existing must name a Secret with app-key, app-aes-secret-key, root-password, database-password (and for database.kind patroni: superuser-password, replication-password, patroni-password)." -}}
{{- end -}}
{{- end -}}

{{/* Host names of the database, separated by commas. */}}
{{- define "halcyon.databaseHost" -}}
{{- $name := include "halcyon.fullname" . -}}
{{- if eq .Values.database.kind "patroni" -}}
{{- $hosts := list -}}
{{- range until (int .Values.patroni.replicas) -}}
{{- $hosts = append $hosts (printf "%s-pg-%d.%s-pg-pods" $name . $name) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- else if eq .Values.database.kind "cloudnative-pg" -}}
{{- printf "%s-pg-rw" $name -}}
{{- else -}}
{{- required "database.host is needed with database.kind external" .Values.database.host -}}
{{- end -}}
{{- end -}}

{{- define "halcyon.webBackend" -}}
{{- include "halcyon.fullname" . -}}-{{ ternary "nginx" "web" .Values.nginx.enabled }}
{{- end -}}

{{/* Replicas at most, for the budget of connections. */}}
{{- define "halcyon.most" -}}
{{- if or .autoscaling.enabled (and (hasKey . "keda") .keda.enabled) -}}{{ .autoscaling.maxReplicas }}{{- else -}}{{ .replicas }}{{- end -}}
{{- end -}}

{{- define "halcyon.checkBudget" -}}
{{- $processes := int (default 1 (get .Values.settings "CLUSTER_MODE")) -}}
{{- $most := int (include "halcyon.most" .Values.web) -}}
{{- if .Values.worker.enabled -}}{{- $most = add $most (int (include "halcyon.most" .Values.worker)) -}}{{- end -}}
{{/* One more of each kind while a rolling update goes on. */}}
{{- $most = add $most 2 -}}
{{- $needed := mul $most (max 1 $processes) (add .Values.database.poolMax 8) -}}
{{- if gt (int $needed) (sub (int .Values.database.maxConnections) 10 | int) -}}
{{- fail (printf "%d processes with up to %d connections each may need %d; database.maxConnections is %d. Lower maxReplicas or database.poolMax, or let the database take more." (mul $most (max 1 $processes)) (add .Values.database.poolMax 8) $needed (int .Values.database.maxConnections)) -}}
{{- end -}}
{{- end -}}

{{/* The restricted pod security standard. (dict "user" 10001) */}}
{{- define "halcyon.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "halcyon.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Apart from each other over nodes and zones. (dict "root" $ "component" "web" "nodes" "preferred" "perRevision" true) */}}
{{- define "halcyon.placement" -}}
affinity:
  podAntiAffinity:
    {{- if eq .nodes "required" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "halcyon.selector" . | nindent 12 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "halcyon.selector" . | nindent 14 }}
    {{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" (eq .nodes "required") }}
    labelSelector:
      matchLabels: {{- include "halcyon.selector" . | nindent 8 }}
    {{- if .perRevision }}
    # Pods of one revision are spread; those that go away do not count.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: {{ .root.Values.spread.zones }}
    labelSelector:
      matchLabels: {{- include "halcyon.selector" . | nindent 8 }}
    {{- if .perRevision }}
    matchLabelKeys: [pod-template-hash]
    {{- end }}
{{- end -}}

{{/* Where pods may run: (dict "values" .Values.web) */}}
{{- define "halcyon.where" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
