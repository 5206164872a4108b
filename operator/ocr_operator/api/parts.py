"""The smaller parts of an OCRService: devices, volumes, scaling and so on, as a module or spec.defaults hold them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from ocr_operator.api.blocks import Block, CountOrPercent, Free, Quantity, Rule, one_source, with_rules

OWN_VOLUMES = ("config", "tmp", "models", "shm", "api-keys", "job-store")
OWN_PATHS = ("/etc/ocr-serving", "/tmp", "/models", "/dev/shm", "/run/api-keys", "/var/lib/ocr-serving")  # noqa: S108  paths of the container
OWN_CONFIG_KEYS = ("modules_info", "port", "host")

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
Labels = Annotated[dict[str, str], Field(max_length=64)]


def among(values: tuple[str, ...]) -> str:
    """`values` as a list in CEL."""
    return "[" + ", ".join(f"'{value}'" for value in values) + "]"


def _not_ours(config: dict[str, Any]) -> dict[str, Any]:
    if any(key in config for key in OWN_CONFIG_KEYS):
        raise ValueError(_CONFIG_RULE.message)
    return config


_CONFIG_RULE = Rule(
    " && ".join(f"!has(self.{key})" for key in OWN_CONFIG_KEYS),
    "modules_info, port and host are written by the operator: use params, initArgs, predictArgs and port of the module",
    lambda config: any(key in config for key in OWN_CONFIG_KEYS),
)
_OURS = "Refused here: the operator writes it."
Config = Annotated[
    dict[str, Any],
    AfterValidator(_not_ours),
    WithJsonSchema(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {
                "modules_info": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "description": _OURS},
                "port": {"x-kubernetes-int-or-string": True, "description": _OURS},
                "host": {"type": "string", "description": _OURS},
                "otlp_endpoint": {"type": "string", "description": "A collector of traces; see tracing."},
                "api_keys_file": {"type": "string", "description": "A file of keys in the container; see apiKeys."},
            },
            "x-kubernetes-validations": [_CONFIG_RULE.validation],
        }
    ),
]


class Autoscaling(Block):
    """A HorizontalPodAutoscaler for the module, or one that somebody else has for it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.maxReplicas) != (has(self.external) && self.external)",
            "give maxReplicas, or external: true where an autoscaler of your own decides, and not both",
            lambda block: (block.max_replicas is not None) == bool(block.external),
        ),
        Rule(
            "!has(self.maxReplicas) || (has(self.minReplicas) ? self.minReplicas : 1) <= self.maxReplicas",
            "maxReplicas must be at least minReplicas",
            lambda block: block.max_replicas is not None and (block.min_replicas or 1) > block.max_replicas,
        ),
        Rule(
            "!(has(self.external) && self.external) || !(has(self.minReplicas) || has(self.targetCPUUtilizationPercentage)"
            " || has(self.targetQueueDepth) || has(self.metrics) || has(self.behavior))",
            "external leaves all to another autoscaler: leave the other fields out",
            lambda block: bool(block.external) and len(block.model_fields_set) > 1,
        ),
    )
    external: bool | None = Field(
        None, description="Leave the number of pods to a HorizontalPodAutoscaler or KEDA ScaledObject of your own."
    )
    min_replicas: int | None = Field(None, ge=1, le=1000, description="Fewest pods; 1 by default.")
    max_replicas: int | None = Field(None, ge=1, le=1000, description="Most pods.")
    target_cpu_utilization_percentage: int | None = Field(
        None,
        alias="targetCPUUtilizationPercentage",
        ge=1,
        le=1000,
        description="CPU to keep, in percent of resources.requests.cpu, one core by default; 80 unless other metrics are given.",
    )
    target_queue_depth: Quantity | None = Field(
        None,
        description="Requests that may wait in a pod, on average; needs ocr_serving_queue_depth among custom metrics.",
    )
    metrics: list[Free] | None = Field(None, max_length=16, description="Further metrics, as in autoscaling/v2.")
    behavior: Free | None = Field(None, description="How fast to scale up and down, as in autoscaling/v2.")


class Gpu(Block):
    """What a pod asks the cluster's device plugin for."""

    resource: str | None = Field(
        None,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        description="Name of the extended resource: nvidia.com/gpu by default; a MIG slice, amd.com/gpu and so on.",
    )
    count: int | None = Field(
        None, ge=0, le=64, description="How many; 1 by default. 0 sets no limit, where GPUs are shared otherwise."
    )


class Claim(Block):
    """A PersistentVolumeClaim that holds models."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.path) || !self.path.matches('(^|/)[.][.](/|$)')",
            "path must stay inside the claim: leave '..' out",
            lambda block: ".." in (block.path or "").split("/"),
        ),
    )
    claim_name: Name = Field(description="The claim, in the namespace of the OCRService.")
    path: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        pattern=r"^[^/]",
        description="Folder inside it that is the store; its root by default.",
    )


class Resources(Block):
    """Requests and limits of the container; the GPU is added to the limits."""

    requests: Annotated[dict[str, Quantity], Field(max_length=32)] | None = Field(None, description="What the scheduler reserves.")
    limits: Annotated[dict[str, Quantity], Field(max_length=32)] | None = Field(None, description="What a pod may use.")


class ApiKeys(Block):
    """A Secret that holds the keys that callers present, one a line."""

    secret_name: Name = Field(description="The Secret, which the operator's --allow-secrets has to name.")
    key: str | None = Field(
        None, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Which of its keys has them; api-keys by default."
    )


class EnvVar(Block):
    """One variable, as in a pod: a value, or valueFrom."""

    model_config = ConfigDict(extra="allow", json_schema_extra=with_rules)
    name: str = Field(min_length=1, max_length=256, description="Name of the variable.")
    value: str | None = Field(None, description="Its text; put numbers into quotes.")


class Volume(Block):
    """A volume, as in a pod."""

    model_config = ConfigDict(extra="allow", json_schema_extra=with_rules)
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!(self.name in {among(OWN_VOLUMES)})",
            f"the operator has volumes of the names {', '.join(OWN_VOLUMES)}: choose another",
            lambda block: block.name in OWN_VOLUMES,
        ),
    )
    name: str = Field(min_length=1, max_length=63, description="Its name.")


class VolumeMount(Block):
    """Where a volume is seen in the container, as in a pod."""

    model_config = ConfigDict(extra="allow", json_schema_extra=with_rules)
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!(self.mountPath in {among(OWN_PATHS)})",
            f"the operator mounts {', '.join(OWN_PATHS)}: choose another path, or use config, models or shmSize",
            lambda block: block.mount_path in OWN_PATHS,
        ),
    )
    name: str = Field(min_length=1, max_length=63, description="Name of the volume.")
    mount_path: str = Field(min_length=1, max_length=1024, description="Path in the container.")


class Strategy(Block):
    """How pods are replaced."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.type) && self.type == 'Recreate' && (has(self.maxUnavailable) || has(self.maxSurge)))",
            "maxUnavailable and maxSurge belong to RollingUpdate: leave them out with Recreate",
            lambda block: block.type == "Recreate" and (block.max_unavailable is not None or block.max_surge is not None),
        ),
        Rule(
            "!(has(self.maxUnavailable) && has(self.maxSurge) && string(self.maxUnavailable) in ['0', '0%']"
            " && string(self.maxSurge) in ['0', '0%'])",
            "maxUnavailable and maxSurge cannot both be 0: no pod could ever be replaced",
            lambda block: str(block.max_unavailable) in ("0", "0%") and str(block.max_surge) in ("0", "0%"),
        ),
    )
    type: Literal["RollingUpdate", "Recreate"] | None = Field(
        None, description="RollingUpdate by default; Recreate ends the old pods first, for where no GPU is spare."
    )
    max_unavailable: CountOrPercent | None = Field(None, description="Pods that may be missing meanwhile; 0 by default.")
    max_surge: CountOrPercent | None = Field(None, description="Pods on top meanwhile; 1 by default.")


class GoldenClaim(Block):
    """A PersistentVolumeClaim that holds the golden set."""

    claim_name: Name = Field(description="The claim, in the namespace of the OCRService.")
    path: str | None = Field(
        None, min_length=1, max_length=1024, pattern=r"^[^/]", description="Folder inside it; its root by default."
    )


class Golden(Block):
    """Pictures, and beside each a text file of the same name that ends in .txt with the words that stand on it."""

    rules: ClassVar[tuple[Rule, ...]] = (one_source("the golden set comes", "configMap", "pvc", "image"),)
    config_map: Name | None = Field(None, description="A ConfigMap, of at most 1 MiB.")
    pvc: GoldenClaim | None = Field(None, description="A volume.")
    image: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        pattern=r"^[^\s]+$",
        description="An OCI image whose root is the folder, mounted as a volume of kind image, which takes Kubernetes 1.35 and"
        " containerd 2.1 or CRI-O 1.31.",
    )


class Rollout(Block):
    """How a change of model, image or parameters comes into use."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.strategy != 'Gated' || has(self.golden)",
            "strategy Gated needs a golden set to measure with: give golden",
            lambda block: block.strategy == "Gated" and block.golden is None,
        ),
        Rule(
            "has(self.golden) || !(has(self.minWordF1) || has(self.maxF1Drop) || has(self.maxLatencyRatio)"
            " || has(self.maxCpuRatio))",
            "limits are held against what a golden set measures: give golden, or leave them out",
            lambda block: (
                block.golden is None
                and any(
                    limit is not None
                    for limit in (block.min_word_f1, block.max_f1_drop, block.max_latency_ratio, block.max_cpu_ratio)
                )
            ),
        ),
        Rule(
            "self.strategy == 'Canary' || !(has(self.weight) || has(self.canarySeconds))",
            "weight and canarySeconds belong to Canary: leave them out",
            lambda block: block.strategy != "Canary" and (block.weight is not None or block.canary_seconds is not None),
        ),
    )
    strategy: Literal["Rolling", "Gated", "Canary"] = Field(
        description="Rolling: at once. Gated: a pod beside the old ones reads the golden set first, and the change is kept out"
        " where it is worse. Canary: then some pods take their share of the requests for a while, and the rest follow."
    )
    golden: Golden | None = Field(None, description="What both are measured with.")
    min_word_f1: float | None = Field(None, alias="minWordF1", ge=0, le=1, description="Least word F1 of the new one.")
    max_f1_drop: float | None = Field(
        None, alias="maxF1Drop", ge=0, le=1, description="By how much word F1 may be below that of the old one; 0.005 by default."
    )
    max_latency_ratio: float | None = Field(
        None, ge=0.01, le=1000, description="Most seconds a page, as a multiple of the old one's; not judged by default."
    )
    max_cpu_ratio: float | None = Field(
        None, ge=0.01, le=1000, description="Most CPU seconds a page, as a multiple of the old one's; not judged by default."
    )
    weight: int | None = Field(
        None, ge=1, le=50, description="Share of the requests that the new pods take, in percent, by their number; 10 by default."
    )
    canary_seconds: int | None = Field(None, ge=1, le=86400, description="For so long; 600 by default.")


class ServiceOptions(Block):
    """How the module's Service is reached."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = Field(None, description="ClusterIP by default.")
    annotations: Labels | None = Field(None, description="Annotations of the Service, such as a load balancer's.")


class DisruptionBudget(Block):
    """A PodDisruptionBudget for the module."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.minAvailable) != has(self.maxUnavailable)",
            "give exactly one of minAvailable and maxUnavailable",
            lambda block: (block.min_available is None) == (block.max_unavailable is None),
        ),
    )
    min_available: CountOrPercent | None = Field(None, description="Pods that must stay while nodes are drained.")
    max_unavailable: CountOrPercent | None = Field(None, description="Pods that may be gone while nodes are drained.")


class NetworkPolicy(Block):
    """A NetworkPolicy for the module: who may call it."""

    from_: list[Free] | None = Field(
        None,
        alias="from",
        min_length=1,
        max_length=32,
        description="Peers, as in a NetworkPolicy (remember Prometheus); the pods of the same namespace by default.",
    )


class Tracing(Block):
    """Traces of the module's requests, sent to a collector."""

    endpoint: str = Field(
        max_length=2048,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="The collector, which takes OTLP over HTTP: http://collector.monitoring:4318. Pods may connect to its port.",
    )
    sample_ratio: float | None = Field(
        None, ge=0, le=1, description="Share of the requests without a trace of their caller's that are traced; 1 by default."
    )


class Monitor(Block):
    """A monitor of the Prometheus operator for the module's /metrics."""

    interval: str | None = Field(
        None, pattern=r"^[0-9]+(ms|s|m|h)$", description="How often to scrape, such as 30s; Prometheus' own by default."
    )
    labels: Labels | None = Field(None, description="Labels by which a Prometheus picks its monitors.")
