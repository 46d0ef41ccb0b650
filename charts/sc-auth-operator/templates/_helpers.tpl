{{- define "sc-auth-operator.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sc-auth-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "sc-auth-operator.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change during the life of a release. The name is fixed: the NetworkPolicy of every ScAuth selects it. */}}
{{- define "sc-auth-operator.selector" -}}
app.kubernetes.io/name: sc-auth-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sc-auth-operator.labels" -}}
{{ include "sc-auth-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: sc-auth
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The full name of an image, from the values at `path`, with the version as the default tag. */}}
{{- define "sc-auth-operator.image" -}}
{{- $ask := printf "%s.repository is needed: no public registry has this image. Build and push it as the README shows, then --set %s.repository=registry.example.com/%s" .path .path .name -}}
{{- $repository := required $ask .image.repository -}}
{{- with .registry -}}
{{- $repository = printf "%s/%s" . $repository -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.image.tag | default .version) -}}
{{- end -}}
{{- end -}}

{{/* A security context, from `context`, without fixed ids if `openshift` is set. */}}
{{- define "sc-auth-operator.securityContext" -}}
{{- $context := .context | default dict -}}
{{- if .openshift -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "supplementalGroups" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}
