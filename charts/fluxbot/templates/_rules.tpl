{{- /* Rights on the kinds of one group that the program reconciles. */}}
{{- define "fluxbot.reconciledKinds" -}}
- apiGroups: [{{ .group }}.toolkit.fluxcd.io]
  resources: [{{ join ", " .kinds }}]
  verbs: [get, list, watch, update, patch]
- apiGroups: [{{ .group }}.toolkit.fluxcd.io]
  resources: [{{ join "/status, " .kinds }}/status]
  verbs: [get, update, patch]
- apiGroups: [{{ .group }}.toolkit.fluxcd.io]
  resources: [{{ join "/finalizers, " .kinds }}/finalizers]
  verbs: [update]
{{- end }}

{{- /* What the program does as itself. Everything that it applies for others needs cluster-admin or impersonation. */}}
{{- define "fluxbot.rules" -}}
{{- $sources := list "gitrepositories" "ocirepositories" "buckets" "helmrepositories" "helmcharts" "externalartifacts" }}
{{- if has "image" .Values.controllers }}
{{ include "fluxbot.reconciledKinds" (dict "group" "image" "kinds" (list "imagerepositories" "imagepolicies" "imageupdateautomations")) }}
{{- end }}
{{- if has "source" .Values.controllers }}
{{ include "fluxbot.reconciledKinds" (dict "group" "source" "kinds" $sources) }}
{{- else }}
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [{{ join ", " $sources }}]
  verbs: [get, list, watch]
{{- end }}
{{- if has "kustomize" .Values.controllers }}
{{ include "fluxbot.reconciledKinds" (dict "group" "kustomize" "kinds" (list "kustomizations")) }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
# The user only. Groups would be the way to system:masters, and the API server adds a service account's groups itself.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [impersonate]
{{- end }}
# By name, never listed: the one right that every reference to a Secret needs.
- apiGroups: [""]
  resources: [secrets, serviceaccounts]
  verbs: [get]
{{- if .Values.rbac.serviceAccountTokens }}
# Whoever may do this may do what any service account may.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
