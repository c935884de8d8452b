{{- define "fluxbot.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "fluxbot.fullname" -}}
{{- $name := include "fluxbot.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Objects without a namespace carry it in their name, so that two releases of the same name do not share them. */}}
{{- define "fluxbot.clusterName" -}}
{{- printf "%s-%s" (include "fluxbot.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "fluxbot.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "fluxbot.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name must be set when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "fluxbot.claimName" -}}
{{- default (include "fluxbot.fullname" .) .Values.persistence.existingClaim }}
{{- end }}

{{- define "fluxbot.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fluxbot.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* part-of and version are what the flux command line looks for. */}}
{{- define "fluxbot.fluxLabels" -}}
app.kubernetes.io/part-of: flux
app.kubernetes.io/version: {{ printf "v%s" .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "fluxbot.labels" -}}
{{ include "fluxbot.selectorLabels" . }}
{{ include "fluxbot.fluxLabels" . }}
{{- end }}

{{- define "fluxbot.image" -}}
{{- $tag := default (printf "v%s" .Chart.AppVersion) .Values.image.tag }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* "true" or nothing. */}}
{{- define "fluxbot.clusterAdmin" -}}
{{- $automatic := and (has "kustomize" .Values.controllers) (not .Values.multitenancy.lockdown) .Values.watchAllNamespaces }}
{{- if ternary .Values.rbac.clusterAdmin $automatic (kindIs "bool" .Values.rbac.clusterAdmin) }}true{{ end }}
{{- end }}

{{- /* The groups whose definitions are installed, separated by spaces. */}}
{{- define "fluxbot.crdGroups" -}}
{{- if .Values.crds.groups }}
{{- join " " .Values.crds.groups }}
{{- else if eq (join "" .Values.controllers) "image" -}}
image
{{- else -}}
helm image kustomize notification source
{{- end }}
{{- end }}
