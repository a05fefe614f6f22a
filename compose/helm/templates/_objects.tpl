{{/* Objects that more than one component has. Each takes root and component. */}}
{{- define "globalmart.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "globalmart.metadata" . | nindent 2 }}
spec:
  # Of one replica too: a budget that keeps it would stop every drain of its node.
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "globalmart.selector" . | nindent 6 }}
{{- end -}}

{{/* Takes also own, the values of the component. */}}
{{- define "globalmart.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "globalmart.metadata" . | nindent 2 }}
  {{- with .own.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .own.service.type }}
  {{- if eq .component "dashboard" }}
  sessionAffinity: ClientIP
  {{- end }}
  selector:
    {{- include "globalmart.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .own.port }}, targetPort: http, protocol: TCP}
{{- end -}}

{{- define "globalmart.ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "globalmart.metadata" . | nindent 2 }}
  {{- with .own.ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .own.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .own.ingress.tlsSecret }}
  tls:
    - hosts: [{{ $.own.ingress.host | quote }}]
      secretName: {{ . }}
  {{- end }}
  rules:
    - host: {{ .own.ingress.host | quote }}
      http:
        paths:
          - path: {{ .own.ingress.path }}
            pathType: Prefix
            backend:
              service:
                name: {{ include "globalmart.fullname" .root }}-{{ .component }}
                port: {name: http}
{{- end -}}
