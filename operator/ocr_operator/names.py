"""Every name that a cluster sees of the operator."""

GROUP = "ocr-serving.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "OCRService"
PLURAL = "ocrservices"
CRD = f"{PLURAL}.{GROUP}"

FIELD_MANAGER = "ocr-operator"
MANAGED_BY = "ocr-operator"

NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
APP = "ocr-serving"
"""Value of NAME_LABEL."""

HASH_ANNOTATION = f"{GROUP}/hash"
CONFIG_HASH_ANNOTATION = f"{GROUP}/config-hash"

CHILD_KINDS: tuple[tuple[str, str, str], ...] = (
    ("v1", "ConfigMap", "configmaps"),
    ("apps/v1", "Deployment", "deployments"),
    ("v1", "Service", "services"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors"),
)
"""(apiVersion, kind, plural) of everything an OCRService may own, in the order in which it is applied."""

CONTAINER = "server"
"""The container that serves, in each pod."""
