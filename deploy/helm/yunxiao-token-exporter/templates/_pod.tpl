{{/* A probe. Arguments: context, probe (values), path. A handler in the values replaces the default one. */}}
{{- define "yunxiao-token-exporter.probe" -}}
{{- $probe := deepCopy .probe -}}
{{- if not (or $probe.httpGet $probe.tcpSocket $probe.exec $probe.grpc) -}}
{{- if include "yunxiao-token-exporter.needsClientCertificate" .context -}}
{{- $_ := set $probe "tcpSocket" (dict "port" "http") -}}
{{- else -}}
{{- $get := dict "path" (printf "%s%s" (include "yunxiao-token-exporter.prefix" .context) .path) "port" "http" -}}
{{- if include "yunxiao-token-exporter.isHttps" .context -}}{{- $_ := set $get "scheme" "HTTPS" -}}{{- end -}}
{{- $_ := set $probe "httpGet" $get -}}
{{- end -}}
{{- end -}}
{{- toYaml $probe -}}
{{- end -}}

{{/* The template of pods. Arguments: context; replica: the number of the StatefulSet, or null. */}}
{{- define "yunxiao-token-exporter.podTemplate" -}}
{{- $context := .context -}}
{{- $replica := .replica -}}
{{- $sources := include "yunxiao-token-exporter.credentialSources" $context | trim -}}
{{- $selector := include "yunxiao-token-exporter.selectorLabels" $context -}}
{{- with $context -}}
{{- $annotations := deepCopy .Values.podAnnotations -}}
{{- if not (or .Values.demo .Values.existingConfigMap) -}}
{{- if .Values.autoReload -}}
{{- $read := list (omit .Values.redis "password") .Values.persistence.enabled .Values.config.storage -}}
{{- $_ := set $annotations "checksum/read-at-start" (toJson $read | sha256sum) -}}
{{- else -}}
{{- $_ := set $annotations "checksum/config" (list (include "yunxiao-token-exporter.config" .) .Values.configFiles | toJson | sha256sum) -}}
{{- end -}}
{{- end -}}
{{- if .Values.web.config -}}
{{- /* Other changes of the web configuration take effect in the running exporter. */ -}}
{{- $tls := default (dict) .Values.web.config.tls_server_config -}}
{{- $kinds := list (gt (len (default (dict) .Values.web.config.basic_auth_users)) 0) (get $tls "client_auth_type") -}}
{{- $_ := set $annotations "checksum/authentication" (toJson $kinds | sha256sum) -}}
{{- end -}}
metadata:
  labels:
    {{- $labels := ternary (dict) (dict "yunxiao-token-exporter/replica" (toString $replica)) (kindIs "invalid" $replica) }}
    {{- include "yunxiao-token-exporter.labels" (dict "context" . "labels" (merge $labels .Values.podLabels)) | nindent 4 }}
  {{- with merge (dict) $annotations .Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "yunxiao-token-exporter.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  # Variables for Services have the prefix of those for flags, if the names are the same.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "yunxiao-token-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
      args:
        {{- if .Values.demo }}
        - demo
        {{- else }}
        - serve
        - --config.file=/etc/yunxiao-token-exporter/config.yaml
        {{- if .Values.autoReload }}
        - --config.auto-reload
        {{- end }}
        {{- if gt (int .Values.shards) 1 }}
        - --shard=auto/{{ int .Values.shards }}
        {{- end }}
        {{- if include "yunxiao-token-exporter.hasWebConfig" . }}
        - --web.config.file=/run/secrets/yunxiao-token-exporter/web/{{ if .Values.web.existingSecret.name }}{{ .Values.web.existingSecret.key }}{{ else }}web.yml{{ end }}
        {{- if .Values.web.openHealth }}
        - --web.open-health
        {{- end }}
        {{- end }}
        {{- if .Values.web.enableLifecycle }}
        - --web.enable-lifecycle
        {{- end }}
        {{- if not (kindIs "invalid" .Values.web.routePrefix) }}
        - --web.route-prefix={{ default "/" .Values.web.routePrefix }}
        {{- end }}
        {{- end }}
        - --log.level={{ .Values.logLevel }}
        - --log.format={{ .Values.logFormat }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or (gt (int .Values.shards) 1) .Values.extraEnv }}
      env:
        {{- if gt (int .Values.shards) 1 }}
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 10097
          protocol: TCP
      startupProbe:
        {{- include "yunxiao-token-exporter.probe" (dict "context" . "probe" .Values.startupProbe "path" "/-/healthy") | nindent 8 }}
      livenessProbe:
        {{- include "yunxiao-token-exporter.probe" (dict "context" . "probe" .Values.livenessProbe "path" "/-/healthy") | nindent 8 }}
      readinessProbe:
        {{- include "yunxiao-token-exporter.probe" (dict "context" . "probe" .Values.readinessProbe "path" "/-/ready") | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        {{- if not .Values.demo }}
        - name: config
          mountPath: /etc/yunxiao-token-exporter
          readOnly: true
        {{- if $sources }}
        - name: credentials
          mountPath: {{ include "yunxiao-token-exporter.credentialsFolder" . }}
          readOnly: true
        {{- end }}
        {{- if include "yunxiao-token-exporter.hasWebConfig" . }}
        - name: web
          mountPath: /run/secrets/yunxiao-token-exporter/web
          readOnly: true
        {{- end }}
        {{- if .Values.web.tls.secretName }}
        - name: tls
          mountPath: /run/secrets/yunxiao-token-exporter/tls
          readOnly: true
        {{- end }}
        {{- if .Values.persistence.enabled }}
        - name: state
          mountPath: /var/lib/yunxiao-token-exporter
        {{- end }}
        {{- end }}
        - name: tmp
          mountPath: /tmp
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- if not .Values.demo }}
    - name: config
      configMap:
        name: {{ include "yunxiao-token-exporter.configMapName" . | quote }}
    {{- with $sources }}
    - name: credentials
      projected:
        # Readable by the group of the pod (fsGroup) alone.
        defaultMode: 0440
        sources:
          {{- . | nindent 10 }}
    {{- end }}
    {{- if include "yunxiao-token-exporter.hasWebConfig" . }}
    - name: web
      secret:
        secretName: {{ default (printf "%s-web" (include "yunxiao-token-exporter.fullname" .)) .Values.web.existingSecret.name | quote }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.web.tls.secretName }}
    - name: tls
      secret:
        secretName: {{ . | quote }}
        defaultMode: 0440
    {{- end }}
    {{- if and .Values.persistence.enabled (not (include "yunxiao-token-exporter.isStatefulSet" .)) }}
    - name: state
      persistentVolumeClaim:
        claimName: {{ default (include "yunxiao-token-exporter.fullname" .) .Values.persistence.existingClaim | quote }}
    {{- end }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{- toYaml (merge (dict) . (dict "labelSelector" (dict "matchLabels" (fromYaml $selector)))) | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.dnsPolicy }}
  dnsPolicy: {{ . | quote }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}
