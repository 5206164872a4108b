"""The pods of a module: what runs, where, with which weights, and within which bounds. Pure."""

from __future__ import annotations

import math
from typing import Any

from ocr_operator import names
from ocr_operator.api.jobs import URL_KEY, claim_of
from ocr_operator.api.parts import EnvVar, Volume, VolumeMount
from ocr_operator.api.spec import ModuleSpec, Settings
from ocr_operator.desired.sizes import default_resources

USER = 10001
"""uid and gid of the images."""

CONFIG_FOLDER = "/etc/ocr-serving"
CONFIG_FILE = "config.json"
KEYS_FOLDER = "/run/api-keys"
KEYS_KEY = "api-keys"
JOBS_FOLDER = "/var/lib/ocr-serving"
JOBS_VOLUME = "job-store"
JOBS_URL = "OCR_SERVING_JOBS_STORE"
STORE = "/models"
STORES = f"{STORE}:/opt/ocr-serving/models"
GPU_RESOURCE = "nvidia.com/gpu"
TIMEOUT_S = 120
"""timeout_s of config.json where nobody sets it."""

TMP_SIZE = "2Gi"
"""The most that a pod may put into /tmp, which is the node's disk: pages of a PDF, and models while they are unpacked."""

STORE_SIZE = "10Gi"
"""The most that fetched models may take of that disk."""

CACHE = "--models"
"""Behind the name of an OCRService, the name of the claim for its cache of models."""

PULL_RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
"""Of what fetches and checks models for a cache: packages are unpacked on the disk, file by file."""

PRE_STOP_S = 5
"""Time in which every node learns that a pod goes, before it stops taking requests."""

UNPRIVILEGED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def given(**fields: Any) -> dict[str, Any]:
    """`fields` without those that are None or empty, since the API server drops or refuses them."""
    return {key: value for key, value in fields.items() if value is not None and value not in ({}, [], "")}


def template(module: ModuleSpec, settings: Settings, *, config_hash: str) -> dict[str, Any]:
    """The pod template of the module's Deployment."""
    fields = module.fields
    return {
        "metadata": {
            "labels": {**(fields.pod_labels or {}), **module.labels},
            "annotations": {**(fields.pod_annotations or {}), names.CONFIG_HASH_ANNOTATION: config_hash},
        },
        "spec": given(
            initContainers=[*_downloads(module, settings), *_cache_check(module, settings)],
            containers=[_server(module, settings)],
            volumes=_volumes(module),
            automountServiceAccountToken=False,
            enableServiceLinks=False,
            terminationGracePeriodSeconds=_grace_seconds(module),
            securityContext={
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            imagePullSecrets=[{"name": name} for name in dict.fromkeys(module.image.pull_secrets or ())],
            nodeSelector=fields.node_selector,
            tolerations=fields.tolerations,
            affinity=fields.affinity,
            topologySpreadConstraints=fields.topology_spread_constraints,
            runtimeClassName=fields.runtime_class_name,
            priorityClassName=fields.priority_class_name,
            # Said in every case: left out, the old one would stay in the field by which Kubernetes once named it.
            serviceAccountName=fields.service_account_name or "default",
        ),
    }


def _server(module: ModuleSpec, settings: Settings) -> dict[str, Any]:
    fields = module.fields
    return given(
        name=names.CONTAINER,
        image=module.image_reference(settings),
        imagePullPolicy=module.image.pull_policy or "IfNotPresent",
        args=["start", "-c", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
        ports=[{"name": "http", "containerPort": module.port, "protocol": "TCP"}],
        env=_env(module, STORES),
        envFrom=fields.env_from,
        resources=_resources(module, gpu=_gpu(module)),
        volumeMounts=_mounts(module, read_only_store=True),
        # The startup probe asks often, so that a pod counts as soon as its models have answered.
        startupProbe=_probe("/readyz", period=1, failures=startup_seconds(module)),
        readinessProbe=_probe("/readyz", period=5, failures=3),
        livenessProbe=_probe("/healthz", period=10, failures=3),
        lifecycle={"preStop": {"sleep": {"seconds": PRE_STOP_S}}},
        securityContext=UNPRIVILEGED,
        terminationMessagePolicy="FallbackToLogsOnError",
    )


def _downloads(module: ModuleSpec, settings: Settings) -> list[dict[str, Any]]:
    """An init container for each model to fetch. It has the server's variables, since proxies are told in them."""
    wanted = module.fields.models.download if module.fields.models else None
    return [
        given(
            name=f"pull-{n}",
            image=module.image_reference(settings),
            imagePullPolicy=module.image.pull_policy or "IfNotPresent",
            args=["models", "pull", "--url", item.url, "--sha256", item.sha256, "--name", item.name],
            env=_env(module, STORE, ours_counts=True),
            envFrom=module.fields.env_from,
            resources=_resources(module, gpu={}),
            volumeMounts=_mounts(module, read_only_store=False),
            securityContext=UNPRIVILEGED,
            terminationMessagePolicy="FallbackToLogsOnError",
        )
        for n, item in enumerate(wanted or (), start=1)
    ]


def _cache_check(module: ModuleSpec, settings: Settings) -> list[dict[str, Any]]:
    """The init container that lets no pod start before its weights in the cache are whole; a folder of the node it fills itself."""
    if module.cache is None or not module.cached_weights:
        return []
    on_node = module.cache.node_path is not None
    return [
        given(
            name=names.MODELS_CONTAINER,
            image=module.image_reference(settings),
            imagePullPolicy=module.image.pull_policy or "IfNotPresent",
            args=["models", "pull" if on_node else "verify", *module.cached_weights],
            env=pull_env(module),
            envFrom=module.fields.env_from,
            resources=PULL_RESOURCES,
            volumeMounts=_mounts(module, read_only_store=not on_node),
            securityContext=UNPRIVILEGED,
            terminationMessagePolicy="FallbackToLogsOnError",
        )
    ]


def pull_env(module: ModuleSpec) -> list[dict[str, Any]]:
    """Variables of what fetches weights: those of the server, since proxies are told in them, with the store alone."""
    return _env(module, STORE, ours_counts=True)


def claim_name(module: ModuleSpec) -> str:
    """The claim that the module's cache lies on. One that is made for it has two hyphens, as nothing of a module's has."""
    return (module.cache.claim_name if module.cache else None) or f"{module.service}{CACHE}"


def _env(module: ModuleSpec, stores: str, *, ours_counts: bool = False) -> list[dict[str, Any]]:
    own = {"OCR_SERVING_MODELS": {"name": "OCR_SERVING_MODELS", "value": stores}} if _has_store(module) else {}
    if not ours_counts:
        own |= {item["name"]: item for item in (*_jobs_env(module), *_tracing_env(module))}
    theirs = {item.name: _as_written(item) for item in module.fields.env or ()}
    return list((own | theirs | (own if ours_counts else {})).values())


def _jobs_env(module: ModuleSpec) -> list[dict[str, Any]]:
    """Where the service keeps jobs. Pods that are to prove themselves have no store: nobody's jobs are read by them before."""
    jobs = module.fields.jobs
    if jobs is None or module.canary == "apart":
        return []
    if jobs.secret_name is None:
        return [{"name": "OCR_SERVING_STATE_DIR", "value": JOBS_FOLDER}]
    return [{"name": JOBS_URL, "valueFrom": {"secretKeyRef": {"name": jobs.secret_name, "key": jobs.key or URL_KEY}}}]


def _tracing_env(module: ModuleSpec) -> list[dict[str, Any]]:
    """What traces say of whom they are of, in the names of OpenTelemetry's conventions; and how many there are."""
    asked = module.fields.tracing
    if asked is None:
        return []
    about = {
        "service.namespace": module.namespace,
        "k8s.namespace.name": module.namespace,
        "k8s.deployment.name": module.child_name,
    }
    told = {"OTEL_SERVICE_NAME": module.child_name, "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={about[key]}" for key in about)}
    if asked.sample_ratio is not None:
        told |= {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": f"{asked.sample_ratio:g}"}
    return [{"name": name, "value": value} for name, value in told.items()]


def _volumes(module: ModuleSpec) -> list[dict[str, Any]]:
    fields = module.fields
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": module.child_name}},
        {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}},
    ]
    if fields.models is not None and fields.models.pvc is not None:
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": fields.models.pvc.claim_name, "readOnly": True}})
    elif module.cache is not None:
        volumes.append({"name": "models", **cache_source(module)})
    elif _has_store(module):
        volumes.append({"name": "models", "emptyDir": {"sizeLimit": STORE_SIZE}})
    if fields.shm_size is not None:
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(fields.shm_size)}})
    if fields.api_keys is not None:
        volumes.append({"name": "api-keys", "secret": {"secretName": fields.api_keys.secret_name}})
    if claim := claim_of(fields):
        volumes.append({"name": JOBS_VOLUME, "persistentVolumeClaim": {"claimName": claim.claim_name}})
    return volumes + [_as_written(volume) for volume in fields.volumes or ()]


def cache_source(module: ModuleSpec) -> dict[str, Any]:
    """The volume of the cache. Not read-only itself, which some drivers make of the whole node; its mounts are."""
    if module.cache is not None and module.cache.node_path is not None:
        return {"hostPath": {"path": module.cache.node_path, "type": "DirectoryOrCreate"}}
    return {"persistentVolumeClaim": {"claimName": claim_name(module)}}


def _mounts(module: ModuleSpec, *, read_only_store: bool) -> list[dict[str, Any]]:
    fields = module.fields
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  a path of the container
    ]
    if _has_store(module):
        claim = (fields.models.pvc or fields.models.cache) if fields.models else None
        mount = given(name="models", mountPath=STORE, subPath=claim.path if claim else None)
        mounts.append(mount | ({"readOnly": True} if read_only_store else {}))
    if fields.shm_size is not None:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108  a path of the container
    if fields.api_keys is not None:
        # The folder, not the file alone, which would stay as it was when the Secret changes.
        mounts.append({"name": "api-keys", "mountPath": KEYS_FOLDER, "readOnly": True})
    if claim := claim_of(fields):
        mounts.append(given(name=JOBS_VOLUME, mountPath=JOBS_FOLDER, subPath=claim.path))
    return mounts + [_as_written(mount) for mount in fields.volume_mounts or ()]


def _has_store(module: ModuleSpec) -> bool:
    models = module.fields.models
    return models is not None and models.image is None


def _gpu(module: ModuleSpec) -> dict[str, str]:
    """What the device plugin is asked for."""
    count = gpu_count(module)
    return {gpu_resource(module): str(count)} if count else {}


def gpu_resource(module: ModuleSpec) -> str:
    """The extended resource by which nodes offer GPUs to it."""
    gpu = module.fields.gpu
    return (gpu.resource if gpu else None) or GPU_RESOURCE


def keys_file(module: ModuleSpec) -> str | None:
    """The file of keys in the container; None where anybody may call."""
    keys = module.fields.api_keys
    if keys is not None:
        return f"{KEYS_FOLDER}/{keys.key or KEYS_KEY}"
    return (module.fields.config or {}).get("api_keys_file")


def startup_seconds(module: ModuleSpec) -> int:
    """How long a pod may take to load its models before it is restarted."""
    return module.fields.startup_seconds or (900 if module.on_gpu else 300)


def gpu_count(module: ModuleSpec) -> int:
    """GPUs that are asked for; 0 on a CPU, and where they are shared otherwise."""
    if not module.on_gpu:
        return 0
    gpu = module.fields.gpu
    return 1 if gpu is None or gpu.count is None else gpu.count


def _resources(module: ModuleSpec, *, gpu: dict[str, str]) -> dict[str, Any]:
    """What the user says of a resource counts alone; `resources: {}` asks for nothing at all."""
    asked = module.fields.resources
    requests, limits = _amounts(asked.requests if asked else None), _amounts(asked.limits if asked else None)
    if asked is None or asked.model_fields_set:
        said = set(requests) | set(limits)
        own_requests, own_limits = default_resources(module)
        requests = {name: amount for name, amount in own_requests.items() if name not in said} | requests
        limits = {name: amount for name, amount in own_limits.items() if name not in said} | limits
    return given(requests=requests, limits=gpu | limits)


def _amounts(amounts: dict[str, int | str] | None) -> dict[str, str]:
    return {name: str(amount) for name, amount in (amounts or {}).items()}


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 1 if period == 1 else 5,
        "failureThreshold": failures,
    }


def _grace_seconds(module: ModuleSpec) -> int:
    timeout = (module.fields.config or {}).get("timeout_s", TIMEOUT_S)
    return module.fields.termination_grace_period_seconds or math.ceil(timeout) + 30


def _as_written(block: EnvVar | Volume | VolumeMount) -> dict[str, Any]:
    """A block of Kubernetes' own, with the keys the user gave."""
    return block.model_dump(by_alias=True, exclude_unset=True)
