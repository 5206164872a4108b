-- How Argo CD reads an OCRService: resource.customizations.health.ocr-serving.dev_OCRService in argocd-cm.
local health = {status = "Progressing", message = "the operator has not looked at this version yet"}
local metadata, status = obj.metadata or {}, obj.status or {}
local annotations = metadata.annotations or {}

if string.lower(annotations["ocr-serving.dev/paused"] or "") == "true" then
  health.status = "Suspended"
  health.message = "nothing is changed while the annotation ocr-serving.dev/paused says true"
  return health
end
if status.conditions == nil or (status.observedGeneration or 0) < (metadata.generation or 0) then
  return health
end

local held = {}
for _, condition in ipairs(status.conditions) do
  if condition.status == "True" then
    held[condition.type] = condition
  elseif condition.type == "Ready" then
    health.message = condition.message
  end
end
local worst = held.Stalled or held.Degraded
if worst ~= nil then
  health.status = "Degraded"
  health.message = worst.message
elseif held.Reconciling ~= nil then
  health.message = held.Reconciling.message
elseif held.Ready ~= nil then
  health.status = "Healthy"
  health.message = held.Ready.message
end
return health
