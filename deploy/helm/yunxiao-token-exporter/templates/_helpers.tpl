{{/* Names */}}

{{- define "yunxiao-token-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 48 characters: the names of a StatefulSet's replicas add 4, and its revisions 11, in a label of 63. */}}
{{- define "yunxiao-token-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "yunxiao-token-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "yunxiao-token-exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "yunxiao-token-exporter.configMapName" -}}
{{- default (include "yunxiao-token-exporter.fullname" .) .Values.existingConfigMap -}}
{{- end -}}

{{- define "yunxiao-token-exporter.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $repository := .Values.image.repository -}}
{{- if $registry -}}{{- $repository = printf "%s/%s" $registry $repository -}}{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Labels. Those of selectors cannot be changed later: no version, no checksum. */}}

{{- define "yunxiao-token-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "yunxiao-token-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "yunxiao-token-exporter.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* All labels of an object. Those of the chart win, because selectors need them.
Arguments: context; optional: component, labels. */}}
{{- define "yunxiao-token-exporter.labels" -}}
{{- $own := merge (include "yunxiao-token-exporter.selectorLabels" .context | fromYaml) (include "yunxiao-token-exporter.commonLabels" .context | fromYaml) (dict "app.kubernetes.io/component" (default "exporter" .component)) -}}
{{- toYaml (merge $own (default (dict) .labels) .context.Values.commonLabels) -}}
{{- end -}}

{{/* The metadata of an object.
Arguments: context; optional: suffix of the name, name, namespace, component, labels, annotations. */}}
{{- define "yunxiao-token-exporter.metadata" -}}
{{- $name := default (printf "%s%s" (include "yunxiao-token-exporter.fullname" .context) (default "" .suffix)) .name -}}
metadata:
  name: {{ $name | quote }}
  namespace: {{ default .context.Release.Namespace .namespace | quote }}
  labels:
    {{- include "yunxiao-token-exporter.labels" . | nindent 4 }}
  {{- with merge (dict) (default (dict) .annotations) .context.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What runs */}}

{{- define "yunxiao-token-exporter.isStatefulSet" -}}
{{- if or (gt (int .Values.shards) 1) (and .Values.persistence.enabled (gt (int .Values.replicas) 1)) }}true{{ end -}}
{{- end -}}

{{- define "yunxiao-token-exporter.hasWebConfig" -}}
{{- if or .Values.web.config .Values.web.existingSecret.name .Values.web.tls.secretName }}true{{ end -}}
{{- end -}}

{{- define "yunxiao-token-exporter.isHttps" -}}
{{- if or .Values.web.config.tls_server_config .Values.web.tls.secretName (and .Values.web.existingSecret.name .Values.web.existingSecret.https) }}true{{ end -}}
{{- end -}}

{{/* Whether clients without a certificate are refused, as the probes of the kubelet are. */}}
{{- define "yunxiao-token-exporter.needsClientCertificate" -}}
{{- $tls := default (dict) .Values.web.config.tls_server_config -}}
{{- if has (default "" $tls.client_auth_type) (list "RequireAnyClientCert" "RequireAndVerifyClientCert") }}true{{ end -}}
{{- end -}}

{{/* The path below which everything is served, without a slash at the end. */}}
{{- define "yunxiao-token-exporter.prefix" -}}
{{- if .Values.demo -}}
{{- else if not (kindIs "invalid" .Values.web.routePrefix) -}}
{{- with .Values.web.routePrefix | trimAll "/" -}}/{{ . }}{{- end -}}
{{- else -}}
{{- $web := default (dict) .Values.config.web -}}
{{- with (urlParse (default "" $web.external_url)).path | trimAll "/" -}}/{{ . }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The configuration */}}

{{- define "yunxiao-token-exporter.credentialsFolder" -}}
/run/secrets/yunxiao-token-exporter/credentials
{{- end -}}

{{/* The folder of an organization's token: its name, or a hash of names that are not file names. */}}
{{- define "yunxiao-token-exporter.organizationFolder" -}}
{{- if regexMatch "^[A-Za-z0-9][-_.A-Za-z0-9]{0,62}$" . -}}
organizations/{{ . }}
{{- else -}}
organizations/{{ sha256sum . | trunc 16 }}
{{- end -}}
{{- end -}}

{{/* The keys of an organization's existing Secret, as a list in YAML. */}}
{{- define "yunxiao-token-exporter.secretKeys" -}}
{{- if .keys -}}{{ toYaml .keys }}{{- else -}}- {{ default "token" .key | quote }}{{- end -}}
{{- end -}}

{{- define "yunxiao-token-exporter.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $organizations := list -}}
{{- range .Values.organizations -}}
{{- $organization := omit . "token" "existingSecret" -}}
{{- $folder := printf "%s/%s" (include "yunxiao-token-exporter.credentialsFolder" $) (include "yunxiao-token-exporter.organizationFolder" .name) -}}
{{- if .token -}}
{{- $_ := set $organization "token_file" (printf "%s/token" $folder) -}}
{{- else if .existingSecret -}}
{{- $files := list -}}
{{- range include "yunxiao-token-exporter.secretKeys" .existingSecret | fromYamlArray -}}
{{- $files = append $files (printf "%s/%s" $folder .) -}}
{{- end -}}
{{- if eq (len $files) 1 -}}
{{- $_ := set $organization "token_file" (first $files) -}}
{{- else -}}
{{- $_ := set $organization "token_files" $files -}}
{{- end -}}
{{- end -}}
{{- $organizations = append $organizations $organization -}}
{{- end -}}
{{- $_ := set $config "organizations" $organizations -}}
{{- if .Values.redis.url -}}
{{- $redis := omit .Values.redis "password" "existingSecret" -}}
{{- $_ := set $redis "replicas" (int .Values.replicas) -}}
{{- if include "yunxiao-token-exporter.redisPasswordSecret" . -}}
{{- $_ := set $redis "password_file" (printf "%s/redis/password" (include "yunxiao-token-exporter.credentialsFolder" .)) -}}
{{- end -}}
{{- $_ := set $config "redis" $redis -}}
{{- end -}}
{{- if .Values.persistence.enabled -}}
{{- $_ := set $config "storage" (dict "path" "/var/lib/yunxiao-token-exporter/state.db") -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The Secret with the password of Redis; empty if there is none. */}}
{{- define "yunxiao-token-exporter.redisPasswordSecret" -}}
{{- if .Values.redis.existingSecret.name -}}
{{- .Values.redis.existingSecret.name -}}
{{- else if .Values.redis.password -}}
{{- include "yunxiao-token-exporter.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* What is in the Secret of the chart, as YAML; empty if nothing is. */}}
{{- define "yunxiao-token-exporter.secretData" -}}
{{- $data := dict -}}
{{- if not (or .Values.demo .Values.existingConfigMap) -}}
{{- range .Values.organizations -}}
{{- if .token -}}
{{- $_ := set $data (include "yunxiao-token-exporter.organizationFolder" .name | replace "/" ".") (b64enc .token) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.redis.url .Values.redis.password (not .Values.redis.existingSecret.name) -}}
{{- $_ := set $data "redis.password" (b64enc .Values.redis.password) -}}
{{- end -}}
{{- end -}}
{{- if $data -}}{{ toYaml $data }}{{- end -}}
{{- end -}}

{{/* Sources of the projected volume with tokens and the password of Redis; empty if there are none. */}}
{{- define "yunxiao-token-exporter.credentialSources" -}}
{{- $own := include "yunxiao-token-exporter.fullname" . -}}
{{- if not (or .Values.demo .Values.existingConfigMap) -}}
{{- range .Values.organizations }}
{{- $folder := include "yunxiao-token-exporter.organizationFolder" .name }}
{{- if .token }}
- secret:
    name: {{ $own | quote }}
    items:
      - key: {{ replace "/" "." $folder | quote }}
        path: {{ $folder }}/token
{{- else if .existingSecret }}
- secret:
    name: {{ .existingSecret.name | quote }}
    items:
      {{- range include "yunxiao-token-exporter.secretKeys" .existingSecret | fromYamlArray }}
      - key: {{ . | quote }}
        path: {{ $folder }}/{{ . }}
      {{- end }}
{{- end }}
{{- end }}
{{- if .Values.redis.url }}
{{- with include "yunxiao-token-exporter.redisPasswordSecret" . }}
- secret:
    name: {{ . | quote }}
    items:
      - key: {{ ternary $.Values.redis.existingSecret.key "redis.password" (ne $.Values.redis.existingSecret.name "") | quote }}
        path: redis/password
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The web configuration, as YAML. */}}
{{- define "yunxiao-token-exporter.webConfig" -}}
{{- $web := deepCopy .Values.web.config -}}
{{- if .Values.web.tls.secretName -}}
{{- $folder := "/run/secrets/yunxiao-token-exporter/tls" -}}
{{- $tls := default (dict) $web.tls_server_config -}}
{{- $_ := set $web "tls_server_config" (merge $tls (dict "cert_file" (printf "%s/tls.crt" $folder) "key_file" (printf "%s/tls.key" $folder))) -}}
{{- end -}}
{{- toYaml $web -}}
{{- end -}}

{{/* Whether the alerts of the default rules do not fit the configuration. */}}
{{- define "yunxiao-token-exporter.rulesDiffer" -}}
{{- $config := .Values.config -}}
{{- $alerting := omit (default (dict) $config.alerting) "thresholds" "ignore" "language" "resend_interval" -}}
{{- $web := default (dict) $config.web -}}
{{- $users := list -}}
{{- range .Values.organizations -}}
{{- $discover := default (dict) .users.discover -}}
{{- if or $discover.interval $discover.owner_labels .users.files -}}{{- $users = append $users .name -}}{{- end -}}
{{- range default (list) .users.static -}}{{- if .labels -}}{{- $users = append $users .id -}}{{- end -}}{{- end -}}
{{- end -}}
{{- if or .Values.existingConfigMap $alerting $config.poll $config.policies $web.external_url $users }}true{{ end -}}
{{- end -}}
