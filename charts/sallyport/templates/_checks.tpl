{{/* What a schema cannot say, or not in words. The operator checks the same and more at its start; here it is said before anything is installed. */}}
{{- define "sallyport.checks" -}}
{{- $families := dict -}}
{{- range $index, $cidr := .Values.pool.cidrs -}}
  {{- include "sallyport.checkCidr" (list (printf "pool.cidrs[%d]" $index) $cidr "10.213.0.0/16") -}}
  {{- $length := regexFind "[0-9]+$" $cidr | int -}}
  {{- $family := ternary "IPv6" "IPv4" (contains ":" $cidr) -}}
  {{- $bounds := ternary (list 48 112) (list 8 24) (contains ":" $cidr) -}}
  {{- if or (lt $length (first $bounds)) (gt $length (last $bounds)) -}}
    {{- fail (printf "pool.cidrs[%d]: %q must have a prefix length from /%d to /%d" $index $cidr (first $bounds) (last $bounds)) -}}
  {{- end -}}
  {{- if hasKey $families $family -}}
    {{- fail (printf "pool.cidrs has two %s CIDRs: keep at most one IPv4 and one IPv6 CIDR" $family) -}}
  {{- end -}}
  {{- $_ := set $families $family true -}}
{{- end -}}
{{- range $index, $cidr := .Values.metrics.agents.sources -}}
  {{- $field := printf "metrics.agents.sources[%d]" $index -}}
  {{- include "sallyport.checkCidr" (list $field $cidr "10.0.0.0/8") -}}
  {{- $longest := ternary 128 32 (contains ":" $cidr) -}}
  {{- if gt (regexFind "[0-9]+$" $cidr | int) $longest -}}
    {{- fail (printf "%s: %q must have a prefix length of at most /%d" $field $cidr $longest) -}}
  {{- end -}}
{{- end -}}
{{- $port := int .Values.metrics.port -}}
{{- $problem := get (dict "8081" "is the port of the operator's health" "9841" "is the port of the agents' health") (toString $port) -}}
{{- if and (not $problem) (lt $port 1024) -}}
  {{- $problem = "needs a right that no program of Sallyport has" -}}
{{- end -}}
{{- if $problem -}}
  {{- fail (printf "metrics.port: %d %s; take another one from 1024 on, such as 9842" $port $problem) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" .Values.gateway.name) -}}
  {{- fail (printf "gateway.name: %q must be lower-case letters, digits and \"-\", and start and end with a letter or digit" .Values.gateway.name) -}}
{{- end -}}
{{- end }}

{{/* Fails where a text does not look like a CIDR; takes the field, the text and an example. */}}
{{- define "sallyport.checkCidr" -}}
{{- if not (regexMatch "^([0-9.]+|[0-9a-fA-F:]+:[0-9a-fA-F:.]*)/[0-9]+$" (index . 1)) -}}
  {{- fail (printf "%s: %q is not a CIDR such as %s" (index . 0) (index . 1) (index . 2)) -}}
{{- end -}}
{{- end }}
