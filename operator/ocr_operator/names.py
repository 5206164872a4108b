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

TRACK_LABEL = f"{GROUP}/track"
"""On the pods beside the others in a rollout."""
ROLLOUT_ANNOTATION = f"{GROUP}/rollout"
"""`promote`, `abort` or `retry`, with anything behind it; on an OCRService."""

PAUSE_ANNOTATION = f"{GROUP}/paused"
"""`true`, on an OCRService: nothing of it is changed."""

HASH_ANNOTATION = f"{GROUP}/hash"
CONFIG_HASH_ANNOTATION = f"{GROUP}/config-hash"

PORTS = {
    "ocr_det": 8865,
    "ocr_cls": 8866,
    "ocr_rec": 8867,
    "ocr_system": 8868,
    "structure_table": 8869,
    "structure_system": 8870,
    "structure_layout": 8870,
    "kie_ser": 8871,
    "kie_ser_re": 8872,
}
"""The nine modules, and where each is reached."""

_READING = ("ocr_det", "ocr_cls", "ocr_rec", "ocr_system")
CARRIED: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in PORTS},
    "ocr_system": _READING,
    "structure_table": (*_READING, "structure_table"),
    "structure_system": (*_READING, "structure_table", "structure_layout", "structure_system"),
    "kie_ser": (*_READING, "kie_ser"),
    "kie_ser_re": (*_READING, "kie_ser", "kie_ser_re"),
}
"""Image of one of the nine → the modules whose default weights are all in it."""

CHILD_KINDS: tuple[tuple[str, str, str], ...] = (
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "ConfigMap", "configmaps"),
    ("apps/v1", "Deployment", "deployments"),
    ("v1", "Service", "services"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
    ("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors"),
    ("monitoring.coreos.com/v1", "PodMonitor", "podmonitors"),
    ("batch/v1", "Job", "jobs"),
)
"""(apiVersion, kind, plural) of everything an OCRService may own, in the order in which it is applied."""

OPTIONAL_KINDS = ("HTTPRoute", "ServiceMonitor", "PodMonitor")
"""Those that a cluster may not have: each is of a definition that others install."""

CONTAINER = "server"
"""The container that serves, in each pod."""

MODELS_CONTAINER = "models"
"""The init container that looks whether the cache of models is whole."""
