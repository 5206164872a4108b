"""`ocr-operator run|render|diff|crd`."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ocr_operator import __version__
from ocr_operator.api.allowed import Allowed
from ocr_operator.api.crd import crd
from ocr_operator.api.merging import SpecError
from ocr_operator.api.reading import documents
from ocr_operator.api.spec import Device, OCRService, parse
from ocr_operator.desired.render import Settings, render
from ocr_operator.limits import QPS
from ocr_operator.loop.options import RunOptions

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class UsageError(Exception):
    """What the person at the command line can mend; the text is one sentence."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="ocr-operator", description="Turns OCRService objects into running OCR services.")
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    command = commands.add_parser("render", help="print what an OCRService becomes, without a cluster")
    command.add_argument(
        "-f",
        "--file",
        required=True,
        action="extend",
        nargs="+",
        metavar="FILE",
        help="YAML or JSON with OCRServices, several allowed; - for stdin",
    )
    command.add_argument("-n", "--namespace", default="default", help="namespace of those that name none (default: %(default)s)")
    command.add_argument(
        "--auto-device",
        choices=("gpu", "cpu"),
        help="what device auto comes to, since no nodes are looked at (default: cpu, which is said)",
    )
    _add_allowed(command)
    _add_images(command)
    command.set_defaults(command=_render)
    command = commands.add_parser(
        "diff", help="say what this version and these flags would change in the cluster; nothing is written"
    )
    watched = command.add_mutually_exclusive_group()
    watched.add_argument("--namespace", action="extend", nargs="+", metavar="NS", help="namespaces to look at (default: its own)")
    watched.add_argument("--all-namespaces", action="store_true", help="look at the whole cluster")
    _add_allowed(command)
    _add_images(command)
    command.set_defaults(command=_diff)
    command = commands.add_parser("crd", help="print the CustomResourceDefinition")
    command.set_defaults(command=_crd)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 1 and one sentence on stderr where it cannot be done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's or a file's letters cannot say is written as escapes.
            stream.reconfigure(errors="backslashreplace")
    try:
        return _done(argv)
    except (UsageError, SpecError) as exc:
        print(f"ocr-operator: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `… | head` has read enough; what is still buffered has nowhere to go.
        _forget_output()
        return 141
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        _forget_output()
        print(f"ocr-operator: what is printed cannot be written: {exc.strerror}.", file=sys.stderr)
        return 1


def _done(argv: Sequence[str] | None) -> int:
    try:
        args = parser().parse_args(argv)
        return int(args.command(args))
    finally:
        # Here, where it may be said what is wrong with it, and not at the end of the process.
        if sys.stdout is not None:
            sys.stdout.flush()


def _forget_output() -> None:
    """Have what is still to be written to standard output go nowhere, at the end of the process too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run_options(
    args: argparse.Namespace, environ: Mapping[str, str], *, own_namespace: Path = SERVICE_ACCOUNT_NAMESPACE
) -> RunOptions:
    """The flags of `run`; the operator's own namespace, from POD_NAMESPACE or the file of its account, fills the gaps.

    Raises UsageError where a namespace is needed and none is known.
    """
    own = environ.get("POD_NAMESPACE") or (own_namespace.read_text().strip() if own_namespace.is_file() else "")
    if not own and not (args.namespace or args.all_namespaces):
        raise UsageError("name the namespaces to watch with --namespace, or use --all-namespaces, since POD_NAMESPACE is not set.")
    if not own and not args.lease_namespace and args.leader_election:
        raise UsageError(
            "name a namespace for the lease with --lease-namespace, or use --no-leader-election, since POD_NAMESPACE is not set."
        )
    return RunOptions(
        namespaces=() if args.all_namespaces else tuple(dict.fromkeys(args.namespace or (own,))),
        leader_election=args.leader_election,
        lease_name=args.lease_name,
        lease_namespace=args.lease_namespace or own,
        http_port=args.http_port,
        log_format=args.log_format,
        workers=args.workers,
        resync_seconds=args.resync_seconds,
        images=_images(args),
        upgrades_at_a_time=args.upgrades_at_a_time,
        allowed=_allowed(args),
        qps=args.qps,
    )


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("run", help="watch OCRServices and keep what they ask for")
    option = command.add_argument
    watched = command.add_mutually_exclusive_group()
    watched.add_argument("--namespace", action="extend", nargs="+", metavar="NS", help="namespaces to watch (default: its own)")
    watched.add_argument("--all-namespaces", action="store_true", help="watch the whole cluster")
    option("--no-leader-election", dest="leader_election", action="store_false", help="for a single replica, started by hand")
    option("--lease-name", default="ocr-operator", metavar="NAME", help="lease of leader election (default: %(default)s)")
    option("--lease-namespace", metavar="NS", help="where that lease is (default: the operator's namespace)")
    option(
        "--http-port",
        type=_whole(0, 65535),
        default=8080,
        metavar="PORT",
        help="/healthz, /readyz and /metrics (default: %(default)s)",
    )
    option("--log-format", choices=("json", "text"), default="json", help="default: %(default)s")
    option("--workers", type=_whole(1, 256), default=8, metavar="N", help="OCRServices worked on at a time (default: %(default)s)")
    option("--resync-seconds", type=_seconds, default=300.0, metavar="S", help="look again after this long (default: 300)")
    option(
        "--qps",
        type=_whole(1, 10000),
        default=int(QPS),
        metavar="N",
        help="requests to the API server a second at most, twice as many at once (default: %(default)s)",
    )
    option(
        "--upgrades-at-a-time",
        type=_whole(1, 1000),
        default=3,
        metavar="N",
        help="so many OCRServices follow a new version or new flags of the operator before the next do (default: %(default)s)",
    )
    _add_allowed(command)
    _add_images(command)
    command.set_defaults(command=_run)


def _add_allowed(command: argparse.ArgumentParser) -> None:
    defaults = Allowed()
    for flag, value, what in (
        ("volumes", defaults.volumes, "kinds of volumes that OCRServices may mount"),
        ("secrets", defaults.secrets, "Secrets that they may mount or have as variables"),
        ("service-accounts", defaults.service_accounts, "service accounts that their pods may run as"),
        ("priority-classes", defaults.priority_classes, "priority classes that their pods may have"),
        (
            "registries",
            defaults.registries,
            "beginnings of images that they may run beside the operator's own, such as example.org/ocr",
        ),
        ("hosts", defaults.hosts, "hosts that they may be reached at from outside of the cluster"),
        ("ingress-annotations", defaults.ingress_annotations, "annotations that an Ingress of theirs may have"),
    ):
        command.add_argument(
            f"--allow-{flag}",
            type=_names,
            default=value,
            metavar="NAME,…",
            help=f"{what}; patterns such as ocr-*, * for all (default: {','.join(value) or 'none'})",
        )


def _allowed(args: argparse.Namespace) -> Allowed:
    return Allowed(
        volumes=tuple(args.allow_volumes),
        secrets=tuple(args.allow_secrets),
        service_accounts=tuple(args.allow_service_accounts),
        priority_classes=tuple(args.allow_priority_classes),
        registries=tuple(args.allow_registries),
        hosts=tuple(args.allow_hosts),
        ingress_annotations=tuple(args.allow_ingress_annotations),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _add_images(command: argparse.ArgumentParser) -> None:
    defaults = Settings()
    for key in ("registry", "repository", "tag"):
        default = getattr(defaults, key)
        command.add_argument(
            f"--image-{key}",
            default=default,
            metavar=key.upper(),
            help=f"{key} of images where an OCRService names none (default: {default})",
        )


def _images(args: argparse.Namespace) -> Settings:
    return Settings(registry=args.image_registry, repository=args.image_repository, tag=args.image_tag)


def _run(args: argparse.Namespace) -> int:
    options = run_options(args, os.environ)
    from ocr_operator.loop.run import run  # the cluster's client takes a second to import, and `render` needs none of it

    return run(options)


def _diff(args: argparse.Namespace) -> int:
    """0 where nothing would change, 3 where something would."""
    own = os.environ.get("POD_NAMESPACE") or "default"
    namespaces = () if args.all_namespaces else tuple(args.namespace or (own,))
    from kubernetes.aio.config import ConfigException

    from ocr_operator.kube import RefusedError, UnreachableError
    from ocr_operator.loop.diff import diff

    try:
        found = diff(namespaces, _images(args), _allowed(args))
    except ConfigException:
        raise UsageError("no cluster: set KUBECONFIG, or run it in a pod with a service account.") from None
    except (RefusedError, UnreachableError) as exc:
        raise UsageError(f"{exc}.") from None
    print("\n".join([*found.lines, found.summary]))
    return 3 if found.changing else 0


def _render(args: argparse.Namespace) -> int:
    manifests = []
    for file in args.file:
        rendered = []
        for body in _bodies(file):
            metadata = body.get("metadata")
            if isinstance(metadata, dict):
                body["metadata"] = {"namespace": args.namespace} | metadata
            try:
                service = _with_device(parse(body), args.auto_device or "cpu")
                _allowed(args).check(service, _images(args))
                rendered += render(service, _images(args))
            except SpecError as exc:
                name = metadata.get("name", "without a name") if isinstance(metadata, dict) else "without a name"
                raise UsageError(f"{file}, OCRService {name}: {exc}") from None
            _say_defaults(file, body, service, is_auto_said=args.auto_device is not None)
        if not rendered:
            raise UsageError(f"{file} holds no OCRService.")
        manifests += rendered
    _print_yaml(manifests)
    return 0


def _with_device(service: OCRService, device: Device) -> OCRService:
    return replace(service, modules=tuple(replace(module, found_device=device) for module in service.modules))


def _say_defaults(file: str, body: Mapping[str, Any], service: OCRService, *, is_auto_said: bool) -> None:
    """What decides whether pods can run anywhere, and stands nowhere in `body`."""
    silent = [module.name for module in service.modules if module.fields.device is None]
    if silent:
        told = f"{file}, OCRService {body['metadata']['name']}: device is gpu, the default, for {', '.join(silent)}"
        print(f"ocr-operator: {told}: say gpu or cpu in spec.defaults.device.", file=sys.stderr)
    auto = [module.name for module in service.modules if module.is_auto]
    if auto and not is_auto_said:
        told = f"{file}, OCRService {body['metadata']['name']}: device auto is rendered as cpu for {', '.join(auto)}"
        print(f"ocr-operator: {told}, since no nodes are looked at: say --auto-device gpu or cpu.", file=sys.stderr)


def _print_yaml(documents: Sequence[Any]) -> None:
    def text(*, as_it_is: bool) -> str:
        return str(yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=as_it_is, width=140))

    told = text(as_it_is=True)
    try:
        told.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        # In escapes of YAML, which mean the same: those of the stream would be letters of their own.
        told = text(as_it_is=False)
    print(told, end="")


class _Dumper(yaml.SafeDumper):
    """Text of several lines, such as a config.json, as a block that a person can read."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_block = "\n" in text and not any(line.endswith((" ", "\t")) for line in text.splitlines())
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if is_block else None)


_Dumper.add_representer(str, _represent_text)


def _crd(_args: argparse.Namespace) -> int:
    _print_yaml([crd()])
    return 0


def _bodies(file: str) -> Iterator[dict[str, Any]]:
    """The objects of a file, those of a List one by one. Raises UsageError."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        found = documents(text)
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}.") from None
    except RecursionError:
        raise UsageError(f"{file} is nested too deeply for an OCRService.") from None
    except (yaml.YAMLError, ValueError, TypeError) as exc:
        raise UsageError(f"{file} is not YAML: {' '.join(str(exc).split())}.") from None
    for document in found:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise UsageError(f"{file} must hold OCRService objects, not {document!r:.60}.")
        items = document.get("items") if document.get("kind") == "List" else [document]
        for item in items if isinstance(items, list) else []:
            if not isinstance(item, dict):
                raise UsageError(f"{file} must hold OCRService objects, not {item!r:.60}.")
            yield item


def _whole(least: int, most: int) -> Any:
    def whole(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most} is needed, got '{text}'")
        return int(text)

    return whole


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"seconds from 1 to 86400 are needed, got '{text}'")
    return value
