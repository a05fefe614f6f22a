{{/*
The pod of a component. Takes root, component, image (app or batch), command, uses, secrets and resources; optionally
ports and probes, env (more variables), lake (read or write), scratch (size of /tmp), restartPolicy, grace (seconds).
*/}}
{{- define "globalmart.pod" -}}
{{- $values := .root.Values -}}
{{- $secrets := .secrets -}}
{{- if and (has "kafka" .uses) (hasPrefix "sasl_" $values.kafka.security) -}}
{{- $secrets = append $secrets "kafkaPassword" -}}
{{- end -}}
{{- $scratch := default "256Mi" .scratch -}}
metadata:
  labels:
    {{- include "globalmart.labels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  # The program reads GLOBALMART_ variables; a service's would look like settings.
  enableServiceLinks: false
  automountServiceAccountToken: false
  # A process with number 1 would ignore a SIGTERM that it has no handler for.
  shareProcessNamespace: true
  {{- with $values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  restartPolicy: {{ default "Always" .restartPolicy }}
  terminationGracePeriodSeconds: {{ default 30 .grace }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "globalmart.selector" . | nindent 10 }}
  containers:
    - name: {{ .component }}
      image: "{{ get $values.image .image }}:{{ default .root.Chart.AppVersion $values.image.tag }}"
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command: {{ toJson .command }}
      env:
        {{- include "globalmart.environment" (dict "root" .root "uses" .uses "secrets" $secrets) | nindent 8 }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .ports }}
      ports:
        {{- range $name, $port := . }}
        - {name: {{ $name }}, containerPort: {{ $port }}, protocol: TCP}
        {{- end }}
      {{- end }}
      {{- with .probes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: data, mountPath: /var/lib/globalmart{{ if eq .lake "read" }}, readOnly: true{{ end }}}
        {{- if $secrets }}
        - {name: secrets, mountPath: /run/secrets/globalmart, readOnly: true}
        {{- end }}
        {{- range $store := .uses }}
        {{- if (get $values $store).tls.secret }}
        - {name: tls-{{ $store }}, mountPath: /run/tls/{{ $store }}, readOnly: true}
        {{- end }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: {{ $scratch }}}
    - name: data
      {{- if and .lake (not $values.lake.address) }}
      persistentVolumeClaim: {claimName: {{ include "globalmart.claim" .root }}{{ if eq .lake "read" }}, readOnly: true{{ end }}}
      {{- else }}
      emptyDir: {sizeLimit: {{ $scratch }}}
      {{- end }}
    {{- if $secrets }}
    - name: secrets
      secret:
        secretName: {{ $values.secrets.existingSecret }}
        defaultMode: 0440
        items:
          {{- range $secrets }}
          - {key: {{ get $values.secrets.keys . | quote }}, path: {{ . }}}
          {{- end }}
    {{- end }}
    {{- range $store := .uses }}
    {{- with (get $values $store).tls.secret }}
    - name: tls-{{ $store }}
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- end }}
{{- end -}}

{{/* Where the batch keeps its lake, for who reads or writes it. */}}
{{- define "globalmart.lakeEnvironment" -}}
{{- with .Values.lake.address }}
- {name: GLOBALMART_BATCH_LAKE, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- define "globalmart.httpProbe" -}}
httpGet: {path: {{ .path }}, port: {{ .port }}}
periodSeconds: {{ default 10 .period }}
timeoutSeconds: 5
failureThreshold: {{ default 3 .failures }}
{{- end -}}

{{/* Probes of a server: a first start may take two minutes on a busy node. Takes port, health and ready. */}}
{{- define "globalmart.probes" -}}
startupProbe:
  {{- include "globalmart.httpProbe" (dict "path" .health "port" .port "period" 3 "failures" 40) | nindent 2 }}
livenessProbe:
  {{- include "globalmart.httpProbe" (dict "path" .health "port" .port "failures" 6) | nindent 2 }}
readinessProbe:
  {{- include "globalmart.httpProbe" (dict "path" .ready "port" .port "period" 5) | nindent 2 }}
{{- end -}}
