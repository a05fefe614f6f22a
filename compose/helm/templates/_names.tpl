{{/* Names and labels. */}}
{{- define "globalmart.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for the longest suffix and what a CronJob adds to it. */}}
{{- define "globalmart.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "globalmart.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "globalmart.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of a component: takes root and component. */}}
{{- define "globalmart.selector" -}}
app.kubernetes.io/name: {{ include "globalmart.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "globalmart.labels" -}}
{{ include "globalmart.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: globalmart
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "globalmart.metadata" -}}
name: {{ include "globalmart.fullname" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "globalmart.labels" . | nindent 2 }}
{{- end -}}

{{- define "globalmart.claim" -}}
{{- default (printf "%s-lake" (include "globalmart.fullname" .)) .Values.lake.existingClaim -}}
{{- end -}}
