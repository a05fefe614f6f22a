{{/*
The settings of a pod: takes root, uses (the stores it speaks to) and secrets (names below secrets.keys).
A pod that does not speak to a store is given nothing of it.
*/}}
{{- define "globalmart.environment" -}}
{{- $values := .root.Values -}}
- {name: GLOBALMART_ENV_FILE, value: ""}
- {name: GLOBALMART_BIND, value: {{ $values.bind | quote }}}
- {name: GLOBALMART_VAR_DIR, value: /var/lib/globalmart}
{{- if has "kafka" .uses }}
- {name: GLOBALMART_KAFKA_BOOTSTRAP, value: {{ $values.kafka.bootstrap | quote }}}
- {name: GLOBALMART_KAFKA_PARTITIONS, value: {{ int64 $values.kafka.partitions | quote }}}
- {name: GLOBALMART_KAFKA_REPLICATION, value: {{ int64 $values.kafka.replication | quote }}}
- {name: GLOBALMART_KAFKA_SECURITY, value: {{ $values.kafka.security | quote }}}
{{- if hasPrefix "sasl_" $values.kafka.security }}
- {name: GLOBALMART_KAFKA_SASL_MECHANISM, value: {{ $values.kafka.saslMechanism | quote }}}
- {name: GLOBALMART_KAFKA_USER, value: {{ $values.kafka.user | quote }}}
{{- end }}
{{- include "globalmart.tlsEnvironment" (dict "store" "kafka" "tls" $values.kafka.tls
  "ca" "GLOBALMART_KAFKA_CA_FILE" "certificate" "GLOBALMART_KAFKA_CERTIFICATE_FILE" "key" "GLOBALMART_KAFKA_KEY_FILE") }}
{{- end }}
{{- if has "postgres" .uses }}
- {name: GLOBALMART_POSTGRES_HOST, value: {{ $values.postgres.host | quote }}}
- {name: GLOBALMART_POSTGRES_PORT, value: {{ int64 $values.postgres.port | quote }}}
- {name: GLOBALMART_POSTGRES_DATABASE, value: {{ $values.postgres.database | quote }}}
- {name: GLOBALMART_POSTGRES_OWNER_USER, value: {{ $values.postgres.ownerUser | quote }}}
- {name: GLOBALMART_POSTGRES_WORKER_USER, value: {{ $values.postgres.workerUser | quote }}}
- {name: GLOBALMART_POSTGRES_READER_USER, value: {{ $values.postgres.readerUser | quote }}}
- {name: GLOBALMART_POSTGRES_DESK_USER, value: {{ $values.postgres.deskUser | quote }}}
- {name: GLOBALMART_POSTGRES_SSLMODE, value: {{ $values.postgres.sslmode | quote }}}
{{- include "globalmart.tlsEnvironment" (dict "store" "postgres" "tls" $values.postgres.tls
  "ca" "GLOBALMART_POSTGRES_CA_FILE" "certificate" "GLOBALMART_POSTGRES_CERTIFICATE_FILE" "key" "GLOBALMART_POSTGRES_KEY_FILE") }}
{{- end }}
{{- if has "mongo" .uses }}
- {name: GLOBALMART_MONGO_DATABASE, value: {{ $values.mongo.database | quote }}}
{{- end }}
{{- range .secrets }}
- {name: {{ include "globalmart.secretSetting" . }}_FILE, value: /run/secrets/globalmart/{{ . }}}
{{- end }}
{{- range $name, $value := $values.settings }}
- {name: GLOBALMART_{{ $name }}, value: {{ include "globalmart.text" $value }}}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A number as people write it: Helm reads 1000000 as 1e+06. */}}
{{- define "globalmart.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- . | int64 | toString | quote -}}
{{- else -}}
{{- . | toString | quote -}}
{{- end -}}
{{- end -}}

{{/* Takes store, its tls values, and the setting of each of their files. */}}
{{- define "globalmart.tlsEnvironment" -}}
{{- range $kind := list "ca" "certificate" "key" }}
{{- with get $.tls $kind }}
- {name: {{ get $ $kind }}, value: {{ printf "/run/tls/%s/%s" $.store . | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Which setting a secret of secrets.keys is. */}}
{{- define "globalmart.secretSetting" -}}
{{- get (dict
  "postgresOwnerPassword" "GLOBALMART_POSTGRES_OWNER_PASSWORD"
  "postgresWorkerPassword" "GLOBALMART_POSTGRES_WORKER_PASSWORD"
  "postgresReaderPassword" "GLOBALMART_POSTGRES_READER_PASSWORD"
  "postgresDeskPassword" "GLOBALMART_POSTGRES_DESK_PASSWORD"
  "mongoBatchUrl" "GLOBALMART_MONGO_URL"
  "mongoReaderUrl" "GLOBALMART_MONGO_URL"
  "kafkaPassword" "GLOBALMART_KAFKA_PASSWORD"
  "fraudWebhookSecret" "GLOBALMART_FRAUD_WEBHOOK_SECRET"
  "apiKeyHashes" "GLOBALMART_API_KEY_HASHES"
  "dashboardApiKey" "GLOBALMART_DASHBOARD_API_KEY") . -}}
{{- end -}}
