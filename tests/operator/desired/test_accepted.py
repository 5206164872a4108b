"""What the renderer makes of samples, and of a service that uses every field, is taken by the API server and kept as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from helpers.api_client import Api, optional_crds
from helpers.control_plane import ControlPlane
from ocr_operator import names
from ocr_operator.api import schema
from ocr_operator.api.crd import crd
from ocr_operator.api.spec import parse
from ocr_operator.desired import canary
from ocr_operator.desired.render import Settings, render
from ocr_operator.observed.drift import differences
from ocr_operator.observed.live import live_of

SAMPLES = sorted((Path(__file__).parents[3] / "manifests/samples").glob("*.yaml"))
NAMESPACE = "restricted"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
WIDE = yaml.safe_load("""
apiVersion: ocr-serving.dev/v1alpha1
kind: OCRService
metadata: {name: wide}
spec:
  image:
    {registry: registry.example.org:5000, repository: a/b, tag: 1.2.3, flavor: gpu-paddle, pullPolicy: Always, pullSecrets: [a]}
  defaults:
    replicas: 0
    env: [{name: A, value: "1"}, {name: B, value: ""}]
    resources: {requests: {cpu: "0.5", memory: 1024Mi}}
  modules:
  - name: ocr_system
    port: 9000
    device: gpu
    gpu: {resource: nvidia.com/mig-1g.10gb, count: 2}
    workers: 3
    params: {drop_score: 0.25, nested: {list: [1, null, x]}}
    initArgs: {enable_mkldnn: true}
    predictArgs: {visualize: false}
    config: {max_body_mb: 16, timeout_s: 45.5, http_status: legacy}
    models: {pvc: {claimName: weights, path: store/v6}}
    resources: {requests: {cpu: "1.5", ephemeral-storage: "2e9"}, limits: {memory: 2.5Gi, cpu: 2}}
    nodeSelector: {pool: gpu}
    tolerations:
    - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
    - {operator: Exists, effect: NoExecute, tolerationSeconds: 30}
    affinity:
      nodeAffinity:
        requiredDuringSchedulingIgnoredDuringExecution:
          nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]
      podAntiAffinity:
        preferredDuringSchedulingIgnoredDuringExecution:
        - {weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {a: b}}}}
    topologySpreadConstraints:
    - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}
    runtimeClassName: nvidia
    priorityClassName: urgent
    serviceAccountName: robot
    env:
    - {name: B, value: "2"}
    - {name: C, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: D, valueFrom: {secretKeyRef: {name: s, key: k}}}
    envFrom: [{configMapRef: {name: proxies, optional: true}}, {prefix: X_, secretRef: {name: s}}]
    volumes:
    - {name: cache, emptyDir: {sizeLimit: 2048Mi}}
    - {name: keys, secret: {secretName: keys, items: [{key: k, path: k}]}}
    volumeMounts: [{name: cache, mountPath: /cache}, {name: keys, mountPath: /run/secrets/ocr, readOnly: true}]
    shmSize: 1024Mi
    podAnnotations: {example.org/a: b}
    podLabels: {example.org/team: ocr}
    strategy: {type: RollingUpdate, maxUnavailable: 25%, maxSurge: 0}
    terminationGracePeriodSeconds: 60
    startupSeconds: 100
    apiKeys: {secretName: keys, key: callers}
    jobs: {secretName: jobs, key: store, port: 6432}
    rollout: {strategy: Canary, golden: {pvc: {claimName: golden, path: a}}, minWordF1: 0.9, maxF1Drop: 0.01, maxLatencyRatio: 1.5,
      maxCpuRatio: 2, weight: 20, canarySeconds: 60}
    service: {type: LoadBalancer, annotations: {example.org/internal: "true"}}
    podDisruptionBudget: {maxUnavailable: 50%}
    networkPolicy: {from: [{namespaceSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}
    egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 443, protocol: TCP}]}]
    ingress: {className: nginx, host: "*.example.org", path: /predict/ocr_system, annotations: {example.org/a: b},
      tls: {secretName: tls}, allowFromNamespaces: [ingress-nginx]}
    httpRoute: {parentRefs: [{name: public, namespace: gateways, sectionName: web}, {name: private}], hostnames: [a.example.org],
      path: /a, tls: {sectionName: https}, allowFromNamespaces: [gateways]}
    podMonitor: {interval: 15s, labels: {release: prometheus}}
    tracing: {endpoint: "https://collector.example.org:4318/otlp", sampleRatio: 0.5}
  - name: own_module
    device: cpu
    image: {reference: "example.org/own:1", pullSecrets: [b]}
    models:
      download:
      - {name: m, url: "https://example.org/m.tar", sha256: "0000000000000000000000000000000000000000000000000000000000000000"}
    autoscaling:
      minReplicas: 1
      maxReplicas: 4
      targetCPUUtilizationPercentage: 60
      targetQueueDepth: 1500m
      metrics:
      - {type: Pods, pods: {metric: {name: ocr_queue}, target: {type: AverageValue, averageValue: 2500m}}}
      behavior:
        scaleDown: {stabilizationWindowSeconds: 60, policies: [{type: Pods, value: 1, periodSeconds: 60}]}
    strategy: {type: Recreate}
    podDisruptionBudget: {minAvailable: 1}
    networkPolicy: {}
    serviceMonitor: {}
  - name: desk
    device: cpu
    module: [ocr_system, structure_table]
    models: {cache: {names: [PP-OCRv6_tiny], size: 1Gi, storageClassName: fast, accessMode: ReadWriteOnce}}
  - name: plain
    models: {image: default}
""")
CLUSTER: list[dict[str, Any]] = [
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    },
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": NAMESPACE}},
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "urgent"}, "value": 1000},
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"},
]


@pytest.fixture(scope="module")
def cluster(api_server: ControlPlane) -> Iterator[Api]:
    """An API server with a namespace that enforces restricted Pod Security, and what WIDE names."""
    with contextlib.closing(Api(api_server)) as api:
        api.establish(crd(), *optional_crds())
        api.apply(*CLUSTER)
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        api_server.wait_for(lambda: api.request("GET", account)[0] == 200, "the namespace's ServiceAccount")
        yield api
        # Other tests share the API server, and want none of this there.
        api_server.kubectl("delete", "crd", *(crd["metadata"]["name"] for crd in optional_crds()))
        api_server.kubectl("delete", "namespace", NAMESPACE)


def bodies() -> list[Any]:
    return [pytest.param(yaml.safe_load(path.read_text()), id=path.stem) for path in SAMPLES] + [pytest.param(WIDE, id="wide")]


def rendered(body: dict[str, Any]) -> list[dict[str, Any]]:
    """All that `body` may come to, what stands beside a module in a rollout too."""
    service = parse(body)
    found = render(service, Settings())
    for module in service.modules:
        if module.fields.rollout is not None:
            found += canary.render_canary(service, module, Settings(), is_serving=True, replicas=2)
            found += [canary.render_policy(service, module), canary.render_job(service, module, Settings())]
    return found


def path_of(manifest: dict[str, Any], plural: str) -> str:
    version = manifest["apiVersion"]
    metadata = manifest["metadata"]
    return f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"


@pytest.mark.parametrize("body", bodies())
def test_api_server_keeps_what_is_rendered(cluster: Api, body: dict[str, Any]) -> None:
    body = body | {"metadata": body["metadata"] | {"namespace": NAMESPACE}}
    cluster.apply(body)
    live = cluster.get(path_of(body, names.PLURAL))
    plurals = {kind: plural for _, kind, plural in names.CHILD_KINDS}
    for manifest in rendered(live):
        where = path_of(manifest, plurals[manifest["kind"]])
        options = {"fieldManager": names.FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        code, kept = cluster.request("PATCH", where, manifest, **options)
        assert code in (200, 201), kept["message"]
        assert differences(manifest, live_of(kept)) == {}
        owners = [owner["uid"] for owner in kept["metadata"].get("ownerReferences", ())]
        assert owners == ([] if manifest["kind"] == "PersistentVolumeClaim" else [live["metadata"]["uid"]])


@pytest.mark.parametrize("body", bodies())
def test_pods_pass_restricted_pod_security(cluster: Api, body: dict[str, Any]) -> None:
    for manifest in rendered(body):
        if manifest["kind"] in ("Deployment", "Job"):
            template = manifest["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": "p"}, "spec": template["spec"]}
            code, answer = cluster.request("POST", PODS, pod, dryRun="All", fieldValidation="Strict")
            assert code == 201, answer["message"]


def test_restricted_pod_security_is_enforced(cluster: Api) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    code, answer = cluster.request("POST", PODS, pod, dryRun="All")
    assert code == 403
    assert "restricted" in answer["message"]


def test_wide_uses_every_field() -> None:
    def fields(model: type[BaseModel]) -> set[str]:
        return {str(field.alias) for field in model.model_fields.values()}

    used = set[str]().union(*WIDE["spec"]["modules"], WIDE["spec"]["defaults"])
    assert fields(schema.Module) - used == set()
    assert fields(schema.Image) == set(WIDE["spec"]["image"])
