"""`spec` of an OCRService, typed. The CustomResourceDefinition is made of these models and of parts.py, descriptions included."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from ocr_operator.api import outside, parts
from ocr_operator.api.blocks import Block, Free, KeyedBy, Quantity, Rule
from ocr_operator.api.jobs import ONE_POD, Jobs
from ocr_operator.api.parts import Labels, Name, among
from ocr_operator.api.weights import LONGEST_WITH_CACHE, Models
from ocr_operator.names import COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL, NAME_LABEL, PORTS, TRACK_LABEL

OWN_LABELS = (NAME_LABEL, INSTANCE_LABEL, COMPONENT_LABEL, MANAGED_BY_LABEL, TRACK_LABEL)


class Image(Block):
    """Where images come from: `<registry>/<repository>/<module>:<tag>-<flavor>`."""

    registry: str | None = Field(
        None,
        max_length=253,
        pattern=r"^[A-Za-z0-9.:/_-]*$",
        description="Registry; the operator's --image-registry by default, '' for none.",
    )
    repository: str | None = Field(
        None,
        max_length=253,
        pattern=r"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$",
        description="The operator's --image-repository by default.",
    )
    tag: str | None = Field(
        None,
        max_length=110,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        description="The operator's --image-tag, its own version, by default.",
    )
    flavor: Literal["cpu", "gpu", "gpu-paddle"] | None = Field(None, description="That of the module's device by default.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(None, description="IfNotPresent by default.")
    pull_secrets: list[Name] | None = Field(None, max_length=16, description="Names of the pull secrets.")


class ModuleImage(Image):
    """The image of one module; what it leaves out is as in spec.image."""

    reference: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        pattern=r"^[^\s]+$",
        description="A full image reference, which counts instead of registry, repository, tag and flavor.",
    )


class ModuleFields(Block):
    """What can be said of every module in spec.defaults, and of one in its entry."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.replicas) && has(self.autoscaling))",
            "replicas and autoscaling exclude each other: keep one of them",
            lambda block: block.replicas is not None and block.autoscaling is not None,
        ),
        Rule(
            "!(has(self.gpu) && has(self.device) && self.device == 'cpu')",
            "gpu is set while device is cpu: leave gpu out, or set device to gpu",
            lambda block: block.gpu is not None and block.device == "cpu",
        ),
        Rule(
            "!(has(self.apiKeys) && has(self.config) && has(self.config.api_keys_file))",
            "apiKeys and config.api_keys_file exclude each other: keep one of them",
            lambda block: block.api_keys is not None and "api_keys_file" in (block.config or {}),
        ),
        Rule(
            "!(has(self.tracing) && has(self.config) && has(self.config.otlp_endpoint))",
            "tracing and config.otlp_endpoint exclude each other: keep one of them",
            lambda block: block.tracing is not None and "otlp_endpoint" in (block.config or {}),
        ),
        ONE_POD,
        Rule(
            "!(has(self.serviceMonitor) && has(self.podMonitor))",
            "serviceMonitor and podMonitor would have each pod scraped twice: keep one of them",
            lambda block: block.service_monitor is not None and block.pod_monitor is not None,
        ),
        Rule(
            f"!has(self.podLabels) || !self.podLabels.exists(key, key in {among(OWN_LABELS)})",
            f"podLabels cannot set {', '.join(OWN_LABELS)}: the operator finds its pods by them",
            lambda block: any(key in OWN_LABELS for key in block.pod_labels or ()),
        ),
    )

    # How many, and where they run
    replicas: int | None = Field(None, ge=0, le=1000, description="Pods; 1 by default.")
    autoscaling: parts.Autoscaling | None = Field(None, description="Let load decide how many pods there are.")
    port: int | None = Field(
        None,
        ge=1024,
        le=65535,
        description="Port of the Service and of the container; by default the module's old one, such as 8868.",
    )
    device: Literal["gpu", "cpu", "auto"] | None = Field(
        None,
        description="gpu by default. auto: gpu where a node of the cluster offers gpu.resource, else cpu; the status says which.",
    )
    gpu: parts.Gpu | None = Field(None, description="What a pod of device gpu asks for.")
    workers: int | None = Field(
        None, ge=1, le=512, description="Worker processes in a pod; what its cores, memory or GPUs carry by default."
    )

    # What the service is told
    params: Free | None = Field(None, description="Overrides of params.py: `params` of the module in config.json.")
    init_args: Free | None = Field(
        None,
        description="Arguments of the module's _initialize: `init_args` in config.json. use_gpu follows device unless it is here.",
    )
    predict_args: Free | None = Field(None, description="Defaults of predict's arguments: `predict_args` in config.json.")
    config: parts.Config | None = Field(
        None, description="Further keys of config.json, such as max_body_mb, timeout_s or api_keys_file."
    )
    api_keys: parts.ApiKeys | None = Field(None, description="Who may call: keys from a Secret, read anew when it changes.")
    models: Models | None = Field(None, description="Where the weights come from.")
    jobs: Jobs | None = Field(None, description="Where jobs are kept; by default nowhere: they are answered 503.")

    # What its pods are
    resources: parts.Resources | None = Field(
        None, description="What a pod reserves and may use; by default as measured for the module. {} for nothing."
    )
    node_selector: Labels | None = Field(None, description="Labels of the nodes to run on.")
    tolerations: list[Free] | None = Field(None, max_length=64, description="Taints to bear, as in a pod.")
    affinity: Free | None = Field(None, description="As in a pod.")
    topology_spread_constraints: list[Free] | None = Field(None, max_length=16, description="As in a pod.")
    runtime_class_name: Name | None = Field(None, description="RuntimeClass of the pods, such as nvidia.")
    priority_class_name: Name | None = Field(None, description="PriorityClass of the pods.")
    service_account_name: Name | None = Field(None, description="ServiceAccount of the pods; its token is not mounted.")
    env: Annotated[list[parts.EnvVar], KeyedBy("name")] | None = Field(
        None, max_length=128, description="Variables of the container."
    )
    env_from: list[Free] | None = Field(
        None, max_length=32, description="ConfigMaps and Secrets that become variables, as in a pod."
    )
    volumes: Annotated[list[parts.Volume], KeyedBy("name")] | None = Field(
        None, max_length=32, description="Further volumes of the pods."
    )
    volume_mounts: Annotated[list[parts.VolumeMount], KeyedBy("mountPath")] | None = Field(
        None, max_length=32, description="Where those volumes are seen."
    )
    shm_size: Quantity | None = Field(
        None, description="Shared memory at /dev/shm, such as 1Gi; the node's default, 64Mi, otherwise."
    )
    pod_annotations: Labels | None = Field(None, description="Annotations of the pods.")
    pod_labels: Labels | None = Field(None, description="Further labels of the pods.")

    # How they come and go
    strategy: parts.Strategy | None = Field(None, description="How pods are replaced; never fewer than there should be by default.")
    termination_grace_period_seconds: int | None = Field(
        None, ge=10, le=86400, description="Time to finish requests before a pod is killed; config.timeout_s (120) + 30 by default."
    )
    startup_seconds: int | None = Field(
        None, ge=10, le=86400, description="Time to load models before a pod is restarted; 300 by default, 900 with a GPU."
    )

    rollout: parts.Rollout | None = Field(None, description="How a change of model, image or parameters comes into use.")

    # What else there is for it
    service: parts.ServiceOptions | None = Field(None, description="How the Service is reached.")
    pod_disruption_budget: parts.DisruptionBudget | None = Field(None, description="Keep pods while nodes are drained.")
    network_policy: parts.NetworkPolicy | None = Field(
        None, description="Let only some call the module; {} means the same namespace."
    )
    egress: list[Free] | None = Field(
        None,
        max_length=32,
        description="Where its pods may connect to, as the egress of a NetworkPolicy; [{}] for anywhere. By default nowhere, but"
        " for what models.download, weights named in params and proxies in env need.",
    )
    ingress: outside.Ingress | None = Field(None, description="Reach the module from outside, through an Ingress.")
    http_route: outside.HTTPRoute | None = Field(None, description="The same, through a Gateway of the Gateway API.")
    service_monitor: parts.Monitor | None = Field(None, description="Let Prometheus scrape the module, by its Service.")
    tracing: parts.Tracing | None = Field(None, description="Have requests traced by OpenTelemetry.")
    pod_monitor: parts.Monitor | None = Field(None, description="The same, by its pods: a PodMonitor in place of a ServiceMonitor.")


ModuleName = Annotated[str, Field(max_length=40, pattern=r"^[a-z]([a-z0-9_]*[a-z0-9])?$")]


class Module(ModuleFields):
    """One module, or several that the same pods serve: one Deployment and Service of its own."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *ModuleFields.rules,
        Rule(
            f"!has(self.module) || !(self.name in {among(tuple(PORTS))}) || self.name in self.module",
            "name is that of a module that these pods do not serve: give them another name, or add it to module",
            lambda block: block.module is not None and block.name in PORTS and block.name not in block.module,
        ),
    )

    name: ModuleName = Field(description="One of the nine, such as ocr_system, or one of yours; with `module` any name.")
    module: Annotated[list[ModuleName], KeyedBy("")] | None = Field(
        None,
        min_length=1,
        max_length=9,
        description="What its pods serve, such as [ocr_system, structure_table], where that is not the one of `name`. params,"
        " initArgs and predictArgs are for each of them; under the name of one they are its own.",
    )
    image: ModuleImage | None = Field(None, description="Its image, where it differs from spec.image.")


class Spec(Block):
    """Modules to serve over HTTP."""

    modules: Annotated[list[Module], KeyedBy("name")] = Field(min_length=1, max_length=16, description="What to serve.")
    defaults: ModuleFields | None = Field(
        None, description="Fields for every module. A module's own count; maps are merged key by key, env by name."
    )
    image: Image | None = Field(None, description="Where images come from.")
    adopt: bool | None = Field(
        None, description="Take over objects of the modules' names that nobody owns, such as those of a restored backup."
    )


class Metadata(Block):
    """The part of an object's metadata that its children depend on."""

    model_config = ConfigDict(extra="ignore")
    name: str
    namespace: str = "default"
    uid: str | None = None
    generation: int = 0


LONGEST_WITH_CANARY = 56
"""Characters of a child's name, so that there is room for what stands beside it in a rollout."""


def _has_cache(body: Any) -> bool:
    blocks = (body.spec.defaults, *body.spec.modules)
    return any(block is not None and block.models is not None and block.models.cache is not None for block in blocks)


_CACHE_RULE = Rule(
    f"size(self.metadata.name) <= {LONGEST_WITH_CACHE} || !((has(self.spec.defaults) && has(self.spec.defaults.models)"
    " && has(self.spec.defaults.models.cache))"
    " || self.spec.modules.exists(module, has(module.models) && has(module.models.cache)))",
    f"metadata.name has more than {LONGEST_WITH_CACHE} characters, which leaves no room for the Job that fills models.cache:"
    " shorten metadata.name",
    lambda body: len(body.metadata.name) > LONGEST_WITH_CACHE and _has_cache(body),
)

ROOT_RULES = (
    _CACHE_RULE,
    Rule(
        "self.spec.modules.all(module, !(has(module.rollout) || (has(self.spec.defaults) && has(self.spec.defaults.rollout)))"
        f" || size(self.metadata.name) + 1 + size(module.name) <= {LONGEST_WITH_CANARY - 4})",
        f"metadata.name and the name of a module with rollout are together longer than {LONGEST_WITH_CANARY - 5} characters:"
        " shorten metadata.name",
        lambda body: any(
            (module.rollout or (body.spec.defaults and body.spec.defaults.rollout))
            and len(body.metadata.name) + 1 + len(module.name) > LONGEST_WITH_CANARY - 4
            for module in body.spec.modules
        ),
    ),
    Rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name becomes part of host names: begin with a letter, go on with a-z, 0-9 and '-'",
        lambda body: not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", body.metadata.name),
    ),
    Rule(
        "self.spec.modules.all(module, size(self.metadata.name) + 1 + size(module.name) <= 63)",
        "metadata.name and a module's name are together longer than 62 characters: shorten metadata.name",
        lambda body: any(len(body.metadata.name) + 1 + len(module.name) > 63 for module in body.spec.modules),
    ),
    Rule(
        f"self.spec.modules.all(module, module.name in {among(tuple(PORTS))}"
        " || size(self.metadata.name) + 1 + size(module.name) <= 60)",
        "metadata.name and the name of a module of your own are together longer than 59 characters: shorten metadata.name",
        lambda body: any(
            module.name not in PORTS and len(body.metadata.name) + 1 + len(module.name) > 60 for module in body.spec.modules
        ),
    ),
)


class Body(Block):
    """The whole object."""

    model_config = ConfigDict(extra="ignore")
    rules: ClassVar[tuple[Rule, ...]] = ROOT_RULES
    metadata: Metadata
    spec: Spec
