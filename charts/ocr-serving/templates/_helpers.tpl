{{/* The operator's objects. */}}
{{- define "ocr.fullname" -}}
{{- default (printf "%s-operator" .Release.Name) .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the operator's pods. Not `ocr-serving`: that is the name label of the services' own objects. */}}
{{- define "ocr.selector" -}}
app.kubernetes.io/name: ocr-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "ocr.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/part-of: ocr-serving
{{- end -}}

{{- define "ocr.labels" -}}
{{ include "ocr.selector" . }}
{{ include "ocr.commonLabels" . }}
{{- end -}}

{{/* Of the pods of the Job and the test, which neither the operator's Service nor its policy may select. */}}
{{- define "ocr.helperLabels" -}}
app.kubernetes.io/name: ocr-serving-chart
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{ include "ocr.commonLabels" . }}
{{- end -}}

{{- define "ocr.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ocr.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the ServiceAccount to use, or set serviceAccount.create to true." .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ocr.tag" -}}
{{- default .Chart.AppVersion .Values.images.tag -}}
{{- end -}}

{{- define "ocr.image" -}}
{{- $parts := compact (list .Values.images.registry .Values.images.repository "operator") -}}
{{- default (printf "%s:%s" (join "/" $parts) (include "ocr.tag" .)) .Values.operator.image.reference -}}
{{- end -}}

{{/* The namespaces to watch, as JSON: {"names": [...]}. */}}
{{- define "ocr.watched" -}}
{{- dict "names" (default (list .Release.Namespace) .Values.watchNamespaces) | toJson -}}
{{- end -}}

{{- define "ocr.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "ocr.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "ocr.pullSecrets" -}}
{{- with .Values.operator.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the operator's pods, and the small ones that use its image, may run. */}}
{{- define "ocr.scheduling" -}}
{{- with .Values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.operator.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* What the modules of `services` answer at, as JSON: {"modules": [{service, module, object, port, url, external}]}; none without replicas. */}}
{{- define "ocr.modules" -}}
{{- $ports := dict "ocr_det" 8865 "ocr_cls" 8866 "ocr_rec" 8867 "ocr_system" 8868 "structure_table" 8869 "structure_system" 8870
    "structure_layout" 8870 "kie_ser" 8871 "kie_ser_re" 8872 -}}
{{- $namespace := .Release.Namespace -}}
{{- $modules := list -}}
{{- range $service, $spec := .Values.services -}}
{{- $defaults := default dict $spec.defaults -}}
{{- range $spec.modules -}}
{{- $served := default (list .name) .module -}}
{{- $port := int (coalesce .port $defaults.port (get $ports (first $served)) 8866) -}}
{{- $replicas := 1 -}}
{{- if hasKey . "replicas" -}}
{{- $replicas = int .replicas -}}
{{- else if and (hasKey $defaults "replicas") (not (hasKey . "autoscaling")) -}}
{{- $replicas = int $defaults.replicas -}}
{{- end -}}
{{- $plain := printf "%s-%s" $service (replace "_" "-" .name) -}}
{{- $object := $plain -}}
{{- if not (or (hasKey $ports .name) (eq (len (splitList "-" $plain)) 2)) -}}
{{- /* As the operator names modules of one's own; one that was there before keeps the name that its status tells. */ -}}
{{- $object = printf "%s-%d" $plain (len $service) -}}
{{- $there := lookup "ocr-serving.dev/v1alpha1" "OCRService" $namespace $service -}}
{{- range (dig "status" "modules" list (default dict $there)) -}}
{{- if hasPrefix (printf "http://%s." $plain) (default "" .url) -}}
{{- $object = $plain -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt $replicas 0 -}}
{{- $external := dig "external" false (default dict (ternary .autoscaling $defaults.autoscaling (hasKey . "autoscaling"))) -}}
{{- if hasKey . "replicas" -}}
{{- /* A module's own count takes the place of autoscaling in defaults. */ -}}
{{- $external = false -}}
{{- end -}}
{{- range $served -}}
{{- $url := printf "http://%s.%s.svc:%d/predict/%s" $object $namespace $port . -}}
{{- $modules = append $modules (dict "service" $service "module" . "object" $object "port" $port "url" $url "external" $external) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "modules" $modules | toJson -}}
{{- end -}}
