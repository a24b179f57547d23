{{/* The Deployment of the web replicas or of the workers: they differ in WORKER_MODE and in their numbers.
     (dict "root" $ "component" "web" "values" .Values.web "mode" "!") */}}
{{- define "halcyon.replicas" -}}
{{- $root := .root -}}
{{- $name := include "halcyon.fullname" $root -}}
{{- $drain := $root.Values.drain -}}
{{- $scaled := or .values.autoscaling.enabled (and (hasKey .values "keda") .values.keda.enabled) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}-{{ .component }}
  labels: {{- include "halcyon.labels" . | nindent 4 }}
spec:
  {{- if not $scaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  minReadySeconds: 5
  progressDeadlineSeconds: 900
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels: {{- include "halcyon.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "halcyon.labels" . | nindent 8 }}
        halcyon/metrics: "yes"
      annotations:
        # Another setting makes other pods.
        checksum/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
        {{- with .values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationGracePeriodSeconds: {{ add $drain.preStopSeconds $drain.delaySeconds $drain.timeoutSeconds 20 }}
      securityContext: {{- include "halcyon.podSecurity" (dict "user" 10001) | nindent 8 }}
      {{- include "halcyon.placement" (dict "root" $root "component" .component "nodes" $root.Values.spread.nodes "perRevision" true) | nindent 6 }}
      {{- with include "halcyon.where" .values | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: halcyon
          image: {{ include "halcyon.image" (dict "root" $root "image" $root.Values.image) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext: {{- include "halcyon.containerSecurity" . | nindent 12 }}
          envFrom:
            - configMapRef: {name: {{ $name }}}
          env:
            - {name: WORKER_MODE, value: {{ .mode | quote }}}
            {{- range $key, $variable := dict "app-key" "APP_KEY" "app-aes-secret-key" "APP_AES_SECRET_KEY" "root-password" "INIT_ROOT_PASSWORD" }}
            - {name: {{ $variable }}, valueFrom: {secretKeyRef: {name: {{ include "halcyon.secretName" $root }}, key: {{ $key }}}}}
            {{- end }}
            {{- if eq $root.Values.database.kind "cloudnative-pg" }}
            - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: {{ $name }}-pg-app, key: password}}}
            {{- else }}
            - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: {{ include "halcyon.secretName" $root }}, key: database-password}}}
            {{- end }}
            {{- with $root.Values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- if eq .component "web" }}
            - {name: http, containerPort: 13000}
            {{- end }}
            - {name: admin, containerPort: 13001}
          # A first start may have to wait for the database and migrate it.
          startupProbe:
            httpGet: {path: /healthz/startup, port: admin}
            periodSeconds: 2
            failureThreshold: 450
          # The process alone: a database that is away is no reason to restart it.
          livenessProbe:
            httpGet: {path: /healthz/live, port: admin}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          # Longer than a failover of the database, in which requests wait: taking every replica away would fail them.
          readinessProbe:
            httpGet: {path: /healthz/ready, port: admin}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 8
          {{- if and $drain.preStopSeconds (semverCompare ">=1.30.0-0" $root.Capabilities.KubeVersion.Version) }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ $drain.preStopSeconds }}}
          {{- end }}
          resources: {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - {name: storage, mountPath: /var/lib/halcyon}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {name: storage, emptyDir: {sizeLimit: 1Gi}}
        - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
{{- end -}}

{{/* (dict "root" $ "component" "web" "values" .Values.web "metrics" list) */}}
{{- define "halcyon.autoscaler" -}}
{{- $name := include "halcyon.fullname" .root -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}-{{ .component }}
  labels: {{- include "halcyon.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}-{{ .component }}}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    {{- range $resource := list "cpu" "memory" }}
    {{- with get $.values.autoscaling $resource }}
    - type: ContainerResource
      containerResource:
        name: {{ $resource }}
        container: halcyon
        target: {type: Utilization, averageUtilization: {{ . }}}
    {{- end }}
    {{- end }}
    {{- with .values.autoscaling.requestsInFlight }}
    - type: Pods
      pods:
        metric: {name: halcyon_http_requests_in_flight}
        target: {type: AverageValue, averageValue: {{ . | quote }}}
    {{- end }}
    {{- with .values.autoscaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies:
        - {type: Percent, value: 100, periodSeconds: 30}
        - {type: Pods, value: 2, periodSeconds: 30}
      selectPolicy: Max
    # Slowly: a replica is cheap, and each that goes closes its WebSockets.
    scaleDown:
      stabilizationWindowSeconds: 300
      policies:
        - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}

{{- define "halcyon.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "halcyon.fullname" .root }}-{{ .component }}
  labels: {{- include "halcyon.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  # A pod that does not get ready must not keep its node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "halcyon.selector" . | nindent 6 }}
{{- end -}}
