{{/* Names are fixed, not derived from the release: there is one Sallyport in a cluster, and Helm refuses a second one by them. */}}

{{- define "sallyport.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "sallyport.selector" . }}
{{- end }}

{{- define "sallyport.selector" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sallyport.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A pod of the operator's program: it needs the API server and nothing of its node, so it passes Pod Security "restricted". */}}
{{- define "sallyport.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "sallyport.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end }}

{{/* The clean-up's objects exist only while it runs; they end with a hook-weight of their own. */}}
{{- define "sallyport.cleanupMetadata" -}}
labels:
  {{- include "sallyport.labels" . | nindent 2 }}
  app.kubernetes.io/component: cleanup
annotations:
  helm.sh/hook: pre-delete
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
  # What the Job says is for whoever uninstalls. Versions of Helm that do not know this show nothing.
  helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
{{- end }}
