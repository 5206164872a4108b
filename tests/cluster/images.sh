#!/bin/bash
# images.sh [MODULE|operator]...: builds images (see images/build.sh, whose
# variables it takes) and puts them on the cluster that use.sh chose.
set -euo pipefail
. "$(dirname "$0")/env.sh"

build=$here/../../images/build.sh
case ${CLUSTER:-local} in
  local)
    "$here/base-image.sh"
    export BUILDER="$here/buildah.sh"
    # No other base is to be had here: the gpu flavour then has no CUDA, and says so when it starts.
    export BASE=${BASE:-docker.io/library/python:3.11-slim-bookworm}
    "$build" "$@"
    mapfile -t names < <("$build" --names "$@")
    "$here/load-built.sh" "${names[@]}"
    # The node has them, and the builder takes nothing from them for the next ones: a gigabyte each.
    for name in "${names[@]}"; do
      [[ $name == */operator:* ]] || base=${name%/*}/base:${name##*:}
    done
    "$here/buildah.sh" rmi "${names[@]}" ${base:+"$base"} >/dev/null
    ;;
  kind)
    ENGINE=docker "$build" "$@"
    mapfile -t names < <("$build" --names "$@")
    kind load docker-image --name ocr-serving "${names[@]}"
    ;;
  *)
    [ -n "${REGISTRY:-}" ] || die "set REGISTRY to one that you may push to and that the cluster of $KUBECONFIG pulls from"
    PUSH=1 "$build" "$@"
    ;;
esac
