"""An OCRService as it is read from YAML or the API server → typed modules, each with spec.defaults merged in. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ocr_operator import __version__, names
from ocr_operator.api import schema
from ocr_operator.api.merging import SpecError, merged_fields, validated
from ocr_operator.api.outside import DEFAULT_PATH
from ocr_operator.api.weights import Cache
from ocr_operator.names import CARRIED, PORTS

OTHER_PORT = 8866
CANARY = "-canary"
NOT_OURS = "is not of this OCRService"
"""Words of the sentence with which a name of somebody else's is left alone."""
Device = Literal["gpu", "cpu"]


@dataclass(frozen=True)
class Settings:
    """Where images come from unless an OCRService says it."""

    registry: str = "docker.io"
    repository: str = "ocr-serving"
    tag: str = __version__


@dataclass(frozen=True)
class ModuleSpec:
    """One module of the OCRService `service`; `fields` and `image` have the defaults merged in.

    `scaled_by_defaults`: its count is that of spec.defaults, which `kubectl scale` sets.
    """

    service: str
    namespace: str
    name: str
    fields: schema.ModuleFields
    image: schema.ModuleImage
    scaled_by_defaults: bool
    former_name: bool = False
    """Whether its objects keep the name that they had before `child_name` told services apart."""
    serves: tuple[str, ...] = ()
    """The modules that its pods serve, where that is not the one of its name."""
    found_device: Device = "cpu"
    """What was decided where `device` is auto."""
    canary: Literal["", "apart", "serving"] = ""
    """Whether these are the pods beside the others in a rollout, and whether callers reach them."""

    @property
    def served(self) -> tuple[str, ...]:
        """The modules that its pods serve; the first is the one that its port and its address are of."""
        return self.serves or (self.name,)

    def arguments_of(self, served: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """What of `given`, such as params, is for the module `served`: what is for all, and under its name what is its own."""
        if not self.serves:
            return dict(given or {})
        common = {key: value for key, value in (given or {}).items() if key not in self.serves}
        own = (given or {}).get(served, {})
        return {**common, **own}

    @property
    def cache(self) -> Cache | None:
        """The cache that its weights are read from, where they are."""
        return self.fields.models.cache if self.fields.models is not None else None

    @property
    def cached_weights(self) -> tuple[str, ...]:
        """What of that cache it needs, as `ocr-serving models pull` and `verify` take it; empty without one."""
        if self.cache is None:
            return ()
        downloads = self.cache.download or ()
        named = self.cache.names
        if named is None:
            own = {item.name for item in downloads}
            named = [name for served in self.served for name in _named_weights(self.arguments_of(served, self.fields.params))]
            named = [name for name in named if name not in own]
        urls = [f"url={item.url},sha256={item.sha256},name={item.name}" for item in downloads]
        return (*sorted(set(named)), *urls)

    @property
    def component(self) -> str:
        """The name as Kubernetes allows it: ocr-system."""
        return self.name.replace("_", "-")

    @property
    def track(self) -> str:
        """What tells the pods beside the others in a rollout."""
        return f"{self.component}{CANARY}"

    @property
    def child_name(self) -> str:
        """Name of each object made for the module; no two modules of any two services have one in common."""
        name = plain_name(self.service, self.name) if self.former_name else child_name(self.service, self.name)
        return f"{name}{CANARY}" if self.canary else name

    @property
    def is_auto(self) -> bool:
        """Whether the nodes decide what it runs on."""
        return self.fields.device == "auto"

    @property
    def device(self) -> Device:
        """What it runs on."""
        if self.fields.device == "auto":
            return self.found_device
        return self.fields.device or "gpu"

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return self.device == "gpu"

    @property
    def port(self) -> int:
        """Port of the Service and of the container."""
        return self.fields.port or PORTS.get(self.served[0], OTHER_PORT)

    @property
    def url(self) -> str:
        """Where a pod of the cluster posts to."""
        return f"{self._inside}/predict/{self.served[0]}"

    @property
    def urls(self) -> list[str]:
        """The same of each module that its pods serve."""
        return [f"{self._inside}/predict/{name}" for name in self.served]

    @property
    def _inside(self) -> str:
        return f"http://{self.child_name}.{self.namespace}.svc:{self.port}"

    @property
    def outside_urls(self) -> list[str]:
        """Where callers outside of the cluster post to, as far as the OCRService tells."""
        ingress, route = self.fields.ingress, self.fields.http_route
        ways = [(ingress.host, ingress.path, ingress.tls is not None)] if ingress else []
        if route is not None:
            ways += [(host, route.path, route.tls is not None) for host in route.hostnames or ()]
        found = [_outside(name, host, path, is_https=is_https) for host, path, is_https in ways for name in self.served]
        return list(dict.fromkeys(found))

    @property
    def replicas(self) -> int | None:
        """Pods there should be; None where an autoscaler decides."""
        if self.fields.autoscaling is not None:
            return None
        return 1 if self.fields.replicas is None else self.fields.replicas

    @property
    def selector(self) -> dict[str, str]:
        """Labels that tell its pods from all others."""
        which = {names.TRACK_LABEL: self.track} if self.canary else {names.COMPONENT_LABEL: self.component}
        return {names.NAME_LABEL: names.APP, names.INSTANCE_LABEL: self.service, **which}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of each object made for it."""
        component = self.track if self.canary == "apart" else self.component
        return self.selector | {names.COMPONENT_LABEL: component, names.MANAGED_BY_LABEL: names.MANAGED_BY}

    @property
    def image_name(self) -> str:
        """Which of the images: of several modules the smallest that has the weights of all."""
        return (image_of(self.serves) if self.serves else self.name).replace("_", "-")

    def image_reference(self, settings: Settings) -> str:
        """The image its pods run."""
        image = self.image
        if image.reference is not None:
            return image.reference
        registry = settings.registry if image.registry is None else image.registry
        path = "/".join(part for part in (registry, image.repository or settings.repository, self.image_name) if part)
        return f"{path}:{image.tag or settings.tag}-{image.flavor or ('gpu' if self.on_gpu else 'cpu')}"


@dataclass(frozen=True)
class OCRService:
    """An OCRService that is whole. `uid` is None where no API server has seen it."""

    name: str
    namespace: str
    uid: str | None
    generation: int
    modules: tuple[ModuleSpec, ...]
    adopts: bool = False


def _named_weights(params: Mapping[str, Any]) -> Iterator[str]:
    """Weights of the catalogue that params name: models, a set, a language. Folders are not among them."""
    for key, value in params.items():
        is_name = isinstance(value, str) and value not in ("", "auto") and "/" not in value
        if is_name and (key.endswith("model_dir") or key in ("model_set", "lang")):
            yield value
        if key == "lang_model_dirs" and isinstance(value, Mapping):
            yield from (str(item) for item in value.values() if item and "/" not in str(item))


def image_of(served: Sequence[str]) -> str:
    """The one of the nine whose image has the weights of all of `served`; empty where none has."""
    found = [name for name, carried in CARRIED.items() if set(served) <= set(carried)]
    return min(found, key=lambda name: len(CARRIED[name]), default="")


def plain_name(service: str, module: str) -> str:
    """The two names with a hyphen between them."""
    return f"{service}-{module.replace('_', '-')}"


def child_name(service: str, module: str) -> str:
    """The plain name, with the length of the service's name behind it where that alone tells which part is which.

    No module of the nine ends in the name of another after a hyphen, so theirs need nothing. `a` with `my_scan` and `a-my` with
    `scan` would be one name: they are a-my-scan-1 and a-my-scan-4.
    """
    plain = plain_name(service, module)
    return plain if module in PORTS or plain.count("-") == 1 else f"{plain}-{len(service)}"


def _outside(module: str, host: str | None, path: str | None, *, is_https: bool) -> str:
    full, begin = f"/predict/{module}", path or DEFAULT_PATH
    is_within = full == begin or full.startswith(f"{begin.rstrip('/')}/")
    return f"{'https' if is_https else 'http'}://{host}{full if is_within else begin}"


def told_of(status: Mapping[str, Any] | None, module: str) -> Mapping[str, Any]:
    """What a status says of a module; empty where nothing."""
    modules: Sequence[Mapping[str, Any]] = (status or {}).get("modules", ())
    return next((item for item in modules if item.get("name") == module), {})


def _has_former_name(body: Mapping[str, Any], module: str) -> bool:
    """Whether the status shows that the module was served under its plain name, which callers then know."""
    metadata, told = body["metadata"], told_of(body.get("status"), module)
    host = f"http://{plain_name(metadata['name'], module)}.{metadata.get('namespace', 'default')}.svc:"
    was_taken = NOT_OURS in str(told.get("problem", ""))
    return not was_taken and str(told.get("url", "")).startswith(host)


def parse(body: Mapping[str, Any]) -> OCRService:
    """The OCRService in `body`, defaults merged. Raises SpecError for whatever the API server would refuse, and more."""
    if (body.get("apiVersion"), body.get("kind")) != (names.API_VERSION, names.KIND):
        raise SpecError(f"this is no OCRService: it needs apiVersion: {names.API_VERSION} and kind: {names.KIND}.")
    whole = validated(schema.Body, body)
    metadata = whole.metadata
    _check_names(body["spec"]["modules"])
    defaults: Mapping[str, Any] = body["spec"].get("defaults", {})
    image: Mapping[str, Any] = body["spec"].get("image", {})
    modules = tuple(
        ModuleSpec(
            service=metadata.name,
            namespace=metadata.namespace,
            name=module["name"],
            fields=merged_fields(defaults, module, where=f"spec.modules[{n}], with spec.defaults"),
            image=validated(schema.ModuleImage, {**image, **module.get("image", {})}, where=f"spec.modules[{n}].image"),
            scaled_by_defaults="replicas" not in module and "autoscaling" not in module and "autoscaling" not in defaults,
            former_name=_has_former_name(body, module["name"]),
            serves=tuple(module.get("module", ())),
            found_device="gpu" if told_of(body.get("status"), module["name"]).get("device") == "gpu" else "cpu",
        )
        for n, module in enumerate(body["spec"]["modules"])
    )
    _check_ways_in(modules)
    _check_together(modules)
    _check_cache(modules)
    return OCRService(metadata.name, metadata.namespace, metadata.uid, metadata.generation, modules, bool(whole.spec.adopt))


def _check_names(modules: Sequence[Mapping[str, Any]]) -> None:
    """Raises SpecError where a name looks like a slip, lest an image be looked for that nobody has made."""
    for n, module in enumerate(modules):
        for where, name in [(f"module[{m}]", name) for m, name in enumerate(module.get("module", ()))] or [
            ("name", module["name"])
        ]:
            near = difflib.get_close_matches(name, PORTS, n=1, cutoff=0.75)
            if name not in PORTS and near and not module.get("image"):
                raise SpecError(
                    f"spec.modules[{n}].{where}: there is no module {name}: did you mean {near[0]}?"
                    " For one of your own give its image."
                )


def _check_ways_in(modules: Sequence[ModuleSpec]) -> None:
    """Raises SpecError where a module would not be reached from outside as asked: only modules with their defaults tell that."""
    taken: dict[tuple[str, str], str] = {}
    for n, module in enumerate(modules):
        where, ingress, route = f"spec.modules[{n}], with spec.defaults", module.fields.ingress, module.fields.http_route
        if ingress is not None and ingress.host is None:
            raise SpecError(f"{where}.ingress.host: has to be given, since without one it would take every host's requests.")
        if route is not None and not route.parent_refs:
            raise SpecError(f"{where}.httpRoute.parentRefs: has to be given: name the Gateway that it hangs on.")
        policy = module.fields.network_policy
        for key, block in (("ingress", ingress), ("httpRoute", route)):
            if block is not None and policy is not None and not policy.from_ and not block.allow_from_namespaces:
                raise SpecError(
                    f"{where}.networkPolicy: keeps out what passes {key} on: name its namespace in {key}.allowFromNamespaces, or"
                    " list who may call in networkPolicy.from."
                )
        for key, host, path in _ways_in(module):
            first = taken.setdefault((f"{key} {host}", path.rstrip("/")), module.name)
            if first != module.name:
                raise SpecError(
                    f"{where}.{key}: {first} has the path {path} of {host} already: give each a path of its own, such as"
                    f" /predict/{module.name}."
                )


def _check_together(modules: Sequence[ModuleSpec]) -> None:
    """Raises SpecError where pods cannot serve several modules as asked."""
    for n, module in enumerate(modules):
        if not module.serves:
            continue
        where = f"spec.modules[{n}], with spec.defaults"
        if module.fields.rollout is not None:
            raise SpecError(f"{where}.rollout: measures pods of one module: leave it out, or have one Deployment each.")
        if module.image.reference is None and not image_of(module.serves):
            raise SpecError(
                f"{where}.module: no image of the nine has the weights of {', '.join(module.serves)}: give image.reference of one"
                " that has, or have two Deployments."
            )
        for key, given in (
            ("params", module.fields.params),
            ("initArgs", module.fields.init_args),
            ("predictArgs", module.fields.predict_args),
        ):
            for name in module.serves:
                if not isinstance((given or {}).get(name, {}), Mapping):
                    raise SpecError(f"{where}.{key}.{name}: has to be a map, with what is for {name} alone.")


def _check_cache(modules: Sequence[ModuleSpec]) -> None:
    """Raises SpecError where modules do not share one cache, or it would hold nothing."""
    kept = [(f"spec.modules[{n}], with spec.defaults, models.cache", module) for n, module in enumerate(modules) if module.cache]
    downloads: dict[str, Any] = {}
    for where, module in kept:
        cache, first = module.cache, kept[0][1]
        if cache is None or first.cache is None:
            continue
        if cache.place != first.cache.place:
            raise SpecError(
                f"{where}: lies elsewhere than that of {first.name}: modules share one cache, so say where it lies in"
                " spec.defaults.models.cache alone."
            )
        for item in cache.download or ():
            if downloads.setdefault(item.name, item) != item:
                raise SpecError(f"{where}.download: there are two models of the name {item.name}: give each a name of its own.")
    if kept and not any(module.cached_weights for _, module in kept):
        raise SpecError(
            f"{kept[0][0]}: would hold nothing, since weights that no params name are in the image: name some in names, download or"
            " params, or leave it out."
        )


def _ways_in(module: ModuleSpec) -> Iterator[tuple[str, str, str]]:
    """(field, host, path) of each way in from outside."""
    ingress, route = module.fields.ingress, module.fields.http_route
    if ingress is not None:
        yield "ingress", ingress.host or "", ingress.path or DEFAULT_PATH
    for host in (route.hostnames or ("every host",)) if route is not None else ():
        yield "httpRoute", host, (route.path if route else None) or DEFAULT_PATH
