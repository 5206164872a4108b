"""OCRServices that are refused, and the words in which they are."""

from __future__ import annotations

from typing import Any

SHA = "0" * 64


def service(spec: Any, name: str = "t") -> dict[str, Any]:
    return {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": name}, "spec": spec}


def one(**fields: Any) -> dict[str, Any]:
    return service({"modules": [{"name": "ocr_system", **fields}]})


def mount(**fields: Any) -> dict[str, Any]:
    return one(volumes=[{"name": "data", "emptyDir": {}}], volumeMounts=[{"name": "data", **fields}])


# What is written, the words of the API server, and those of parse() where they differ.
BAD: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "no spec": (
        {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "t"}},
        "spec: Required value",
        "spec: has to be given",
    ),
    "no modules": (service({}), "spec.modules: Required value", "spec.modules: has to be given"),
    "modules empty": (service({"modules": []}), "spec.modules", "at least 1 item"),
    "modules no list": (service({"modules": "ocr_det"}), "must be of type array", "spec.modules: should be a valid list"),
    "seventeen modules": (
        service({"modules": [{"name": f"m{n}"} for n in range(17)]}),
        "must have at most 16 items",
        "at most 16 items",
    ),
    "module without name": (
        service({"modules": [{"replicas": 1}]}),
        "spec.modules[0].name: Required value",
        "spec.modules[0].name: has to be given",
    ),
    "two modules of one name": (
        service({"modules": [{"name": "ocr_det"}, {"name": "ocr_det"}]}),
        "Duplicate value",
        "two items have the name 'ocr_det'",
    ),
    "module name in capitals": (
        service({"modules": [{"name": "OCR"}]}),
        "spec.modules[0].name in body should match",
        "should match pattern",
    ),
    "module name with a dash": (
        service({"modules": [{"name": "ocr-system"}]}),
        "spec.modules[0].name in body should match",
        "should match pattern",
    ),
    "module name ends in _": (
        service({"modules": [{"name": "ocr_"}]}),
        "spec.modules[0].name in body should match",
        "should match pattern",
    ),
    "module name too long": (service({"modules": [{"name": "a" * 41}]}), "may not be more than 40", "at most 40 characters"),
    "child name too long": (service({"modules": [{"name": "a" * 40}]}, "b" * 23), "shorten metadata.name", None),
    "name with a dot": (service({"modules": [{"name": "ocr_det"}]}, "a.b"), "metadata.name becomes part of host names", None),
    "name begins with a digit": (
        service({"modules": [{"name": "ocr_det"}]}, "1a"),
        "metadata.name becomes part of host names",
        None,
    ),
    "unknown field": (
        one(replica=1),
        'unknown field "spec.modules[0].replica"',
        "spec.modules[0].replica: there is no such field: did you mean replicas?",
    ),
    "replicas and autoscaling": (
        one(replicas=1, autoscaling={"maxReplicas": 2}),
        "replicas and autoscaling exclude each other",
        None,
    ),
    "both in defaults": (
        service({"defaults": {"replicas": 1, "autoscaling": {"maxReplicas": 2}}, "modules": [{"name": "ocr_det"}]}),
        "spec.defaults: Invalid value: replicas and autoscaling exclude each other",
        "spec.defaults: replicas and autoscaling exclude each other",
    ),
    "replicas below 0": (one(replicas=-1), "should be greater than or equal to 0", "greater than or equal to 0"),
    "replicas as text": (
        one(replicas="2"),
        "must be of type integer",
        "spec.modules[0].replicas: should be a valid integer, got '2'",
    ),
    "autoscaling without maxReplicas": (
        one(autoscaling={}),
        "give maxReplicas, or external: true",
        None,
    ),
    "autoscaling of two": (
        one(autoscaling={"external": True, "maxReplicas": 2}),
        "give maxReplicas, or external: true",
        None,
    ),
    "autoscaling elsewhere with a least": (
        one(autoscaling={"external": True, "minReplicas": 2}),
        "external leaves all to another autoscaler",
        None,
    ),
    "autoscaling upside down": (
        one(autoscaling={"minReplicas": 3, "maxReplicas": 2}),
        "maxReplicas must be at least minReplicas",
        None,
    ),
    "autoscaling to none": (
        one(autoscaling={"maxReplicas": 0}),
        "should be greater than or equal to 1",
        "greater than or equal to 1",
    ),
    "port of the system": (
        one(port=80),
        "spec.modules[0].port in body should be greater than or equal to 1024",
        "greater than or equal to 1024, got 80",
    ),
    "port out of range": (one(port=70000), "should be less than or equal to 65535", "less than or equal to 65535"),
    "device unknown": (one(device="tpu"), 'Unsupported value: "tpu"', "should be 'gpu', 'cpu' or 'auto'"),
    "gpu on a CPU": (one(device="cpu", gpu={"count": 1}), "gpu is set while device is cpu", None),
    "gpu count below 0": (one(gpu={"count": -1}), "should be greater than or equal to 0", "greater than or equal to 0"),
    "gpu resource without domain": (one(gpu={"resource": "gpu"}), "gpu.resource in body should match", "should match pattern"),
    "workers none": (one(workers=0), "should be greater than or equal to 1", "greater than or equal to 1"),
    "params no object": (
        one(params=["drop_score"]),
        "must be of type object",
        "spec.modules[0].params: should be a valid dictionary",
    ),
    "config with modules_info": (one(config={"modules_info": {}}), "modules_info, port and host are written by the operator", None),
    "config with port": (one(config={"port": 1}), "modules_info, port and host are written by the operator", None),
    "config with host": (one(config={"host": "::"}), "modules_info, port and host are written by the operator", None),
    "models of no source": (one(models={}), "give exactly one of image, pvc, download and cache", None),
    "models of two sources": (
        one(models={"image": "default", "pvc": {"claimName": "c"}}),
        "give exactly one of image, pvc, download and cache",
        None,
    ),
    "a collector of no URL": (
        one(tracing={"endpoint": "collector:4318"}),
        "endpoint",
        None,
    ),
    "two collectors": (
        one(tracing={"endpoint": "http://a:4318"}, config={"otlp_endpoint": "http://b:4318"}),
        "tracing and config.otlp_endpoint exclude each other",
        None,
    ),
    "a cache in two places": (
        one(models={"cache": {"claimName": "c", "nodePath": "/m"}}, params={"model_set": "s"}),
        "a cache lies in one place",
        None,
    ),
    "a cache with a size of another's claim": (
        one(models={"cache": {"claimName": "c", "size": "1Gi"}}, params={"model_set": "s"}),
        "a cache lies in one place",
        None,
    ),
    "a cache that leads out of its claim": (
        one(models={"cache": {"claimName": "c", "path": "a/../.."}}, params={"model_set": "s"}),
        "path is a folder inside the claim",
        None,
    ),
    "a cache that leads elsewhere on the node": (
        one(models={"cache": {"nodePath": "/m/../etc"}}, params={"model_set": "s"}),
        "nodePath must not lead elsewhere",
        None,
    ),
    "a cache of a service with a long name": (
        service({"modules": [{"name": "ocr_det", "models": {"cache": {"names": ["a"]}}}]}, "l" * 47),
        "leaves no room for the Job that fills models.cache",
        None,
    ),
    "models of another image": (one(models={"image": "other"}), 'Unsupported value: "other"', "should be 'default', got 'other'"),
    "claim without name": (one(models={"pvc": {}}), "pvc.claimName: Required value", "claimName: has to be given"),
    "claim path climbs out": (
        one(models={"pvc": {"claimName": "c", "path": "a/../../b"}}),
        "path must stay inside the claim",
        None,
    ),
    "claim path from the root": (
        one(models={"pvc": {"claimName": "c", "path": "/a"}}),
        "pvc.path in body should match",
        "should match pattern",
    ),
    "url without sha256": (one(models={"download": [{"name": "m", "url": "https://x/m"}]}), "a url needs its sha256", None),
    "sha256 too short": (
        one(models={"download": [{"name": "m", "url": "https://x/m", "sha256": "0a"}]}),
        "sha256 in body should match",
        "should match pattern",
    ),
    "url of a file": (
        one(models={"download": [{"name": "m", "url": "file:///m", "sha256": SHA}]}),
        "url in body should match",
        "should match pattern",
    ),
    "two downloads of one name": (
        one(models={"download": [{"name": "m", "url": f"https://x/{n}", "sha256": SHA} for n in "ab"]}),
        "Duplicate value",
        "two items have the name 'm'",
    ),
    "amount that is none": (
        one(resources={"requests": {"cpu": "two"}}),
        "requests.cpu in body should match",
        "a quantity such as 2, 500m or 1Gi",
    ),
    "amount as a fraction": (one(resources={"requests": {"cpu": 0.5}}), "must be of type integer,string", "requests.cpu"),
    "variable without name": (one(env=[{"value": "1"}]), "env[0].name: Required value", "env[0].name: has to be given"),
    "variable as a number": (one(env=[{"name": "A", "value": 1}]), "env[0].value", "env[0].value: should be a valid string"),
    "two variables of one name": (one(env=[{"name": "A", "value": "1"}] * 2), "Duplicate value", "two items have the name 'A'"),
    "volume of ours": (
        one(volumes=[{"name": "tmp", "emptyDir": {}}]),
        "the operator has volumes of the names config, tmp, models, shm",
        None,
    ),
    "path of ours": (mount(mountPath="/models"), "the operator mounts /etc/ocr-serving, /tmp, /models, /dev/shm", None),
    "mount without path": (mount(), "mountPath: Required value", "mountPath: has to be given"),
    "shared memory that is no size": (one(shmSize="much"), "shmSize in body should match", "a quantity such as 2, 500m or 1Gi"),
    "label of ours": (one(podLabels={"app.kubernetes.io/name": "x"}), "podLabels cannot set app.kubernetes.io/name", None),
    "label that is no text": (one(podLabels={"a": 1}), "must be of type string", "should be a valid string"),
    "surge while recreating": (
        one(strategy={"type": "Recreate", "maxSurge": 1}),
        "maxUnavailable and maxSurge belong to RollingUpdate",
        None,
    ),
    "nothing may move": (one(strategy={"maxUnavailable": 0, "maxSurge": "0%"}), "cannot both be 0", None),
    "surge that is no share": (
        one(strategy={"maxSurge": "half"}),
        "maxSurge in body should match",
        "a number or a percentage such as 25%",
    ),
    "grace too short": (
        one(terminationGracePeriodSeconds=1),
        "should be greater than or equal to 10",
        "greater than or equal to 10",
    ),
    "service of another type": (
        one(service={"type": "ExternalName"}),
        "Unsupported value",
        "should be 'ClusterIP', 'NodePort' or 'LoadBalancer'",
    ),
    "budget of nothing": (one(podDisruptionBudget={}), "give exactly one of minAvailable and maxUnavailable", None),
    "budget of both": (
        one(podDisruptionBudget={"minAvailable": 1, "maxUnavailable": 1}),
        "give exactly one of minAvailable and maxUnavailable",
        None,
    ),
    "policy for nobody": (one(networkPolicy={"from": []}), "networkPolicy.from", "at least 1 item"),
    "interval without unit": (one(serviceMonitor={"interval": "30"}), "interval in body should match", "should match pattern"),
    "one module twice": (
        service({"modules": [{"name": "desk", "module": ["ocr_det", "ocr_det"]}]}),
        "Duplicate value",
        "'ocr_det' is there twice",
    ),
    "no module at all": (service({"modules": [{"name": "desk", "module": []}]}), "at least 1 item", None),
    "named for another": (
        one(module=["ocr_det", "ocr_rec"]),
        "name is that of a module that these pods do not serve",
        None,
    ),
    "scraped twice": (
        one(serviceMonitor={}, podMonitor={}),
        "serviceMonitor and podMonitor would have each pod scraped twice",
        None,
    ),
    "host with a scheme": (one(ingress={"host": "https://a.b"}), "ingress.host in body should match", "should match pattern"),
    "path without a slash": (
        one(ingress={"host": "a.b", "path": "ocr"}),
        "ingress.path in body should match",
        "should match pattern",
    ),
    "route to nothing": (one(httpRoute={"parentRefs": []}), "httpRoute.parentRefs", "at least 1 item"),
    "listener named twice": (
        one(httpRoute={"parentRefs": [{"name": "a", "sectionName": "b"}], "tls": {"sectionName": "c"}}),
        "tls names the listener of parentRefs that name none",
        None,
    ),
    "certificate without a name": (
        one(ingress={"host": "a.b", "tls": {}}),
        "ingress.tls.secretName: Required value",
        "ingress.tls.secretName: has to be given",
    ),
    "gate without a measure": (one(rollout={"strategy": "Gated"}), "strategy Gated needs a golden set", None),
    "limit without a measure": (
        one(rollout={"strategy": "Canary", "minWordF1": 0.9}),
        "limits are held against what a golden set measures",
        None,
    ),
    "golden set from two": (
        one(rollout={"strategy": "Gated", "golden": {"configMap": "a", "image": "b"}}),
        "give exactly one of configMap, pvc and image",
        None,
    ),
    "weight of no canary": (
        one(rollout={"strategy": "Gated", "golden": {"configMap": "a"}, "weight": 5}),
        "weight and canarySeconds belong to Canary",
        None,
    ),
    "F1 over one": (
        one(rollout={"strategy": "Gated", "golden": {"configMap": "a"}, "minWordF1": 90}),
        "should be less than or equal to 1",
        "less than or equal to 1",
    ),
    "keys from two": (
        one(apiKeys={"secretName": "a"}, config={"api_keys_file": "/b"}),
        "apiKeys and config.api_keys_file exclude each other",
        None,
    ),
    "jobs kept nowhere": (one(jobs={}), "give exactly one of secretName and pvc", None),
    "jobs kept in two places": (
        one(jobs={"secretName": "a", "pvc": {"claimName": "b"}}),
        "give exactly one of secretName and pvc",
        None,
    ),
    "jobs with a port of a claim": (
        one(jobs={"pvc": {"claimName": "b"}, "port": 5432}),
        "key and port belong to the database of secretName",
        None,
    ),
    "jobs of two pods on a claim": (
        one(replicas=2, jobs={"pvc": {"claimName": "b"}}),
        "jobs.pvc is for one pod at a time",
        None,
    ),
    "jobs of pods that overlap on a claim": (
        one(strategy={"maxSurge": 1}, jobs={"pvc": {"claimName": "b"}}),
        "jobs.pvc is for one pod at a time",
        None,
    ),
    "flavour unknown": (
        service({"image": {"flavor": "tpu"}, "modules": [{"name": "ocr_det"}]}),
        'Unsupported value: "tpu"',
        "'gpu-paddle'",
    ),
    "reference for all": (
        service({"image": {"reference": "a/b:c"}, "modules": [{"name": "ocr_det"}]}),
        'unknown field "spec.image.reference"',
        "there is no such field",
    ),
    "tag with a space": (one(image={"tag": "a b"}), "image.tag in body should match", "should match pattern"),
    "pull policy unknown": (one(image={"pullPolicy": "Sometimes"}), "Unsupported value", "'IfNotPresent'"),
}
