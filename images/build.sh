#!/usr/bin/env bash
# Builds the images of ocr-serving: images/build.sh [MODULE|operator]... (all nine modules and the operator where none is named).
# images/build.sh --names [MODULE|operator]... builds nothing and prints what the images are called.
#
#   REGISTRY=docker.io REPOSITORY=ocr-serving TAG=<version> FLAVOR=cpu|gpu|gpu-paddle   the names: see images/README.md
#   PUSH=1                          push what was built
#   BASE=IMAGE                      what the flavour builds on; PYTHON_BASE=IMAGE the same for the operator
#   BY_DIGEST=1                     refuse what is built on where it is not named by its digest (IMAGE@sha256:…)
#   PIP_INDEX_URL=URL               package index to use
#   EXTRA_INDEX=URL                 Paddle's own index, of which gpu-paddle takes one wheel; PADDLE_SHA256=HEX is what it must have
#   ENGINE=auto|docker|podman|buildah, or BUILDER=COMMAND, which is called as buildah is
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "images/build.sh: $*" >&2; exit 1; }

engine() {
  if command -v docker >/dev/null && docker info >/dev/null 2>&1; then echo docker
  elif command -v podman >/dev/null; then echo podman
  elif command -v buildah >/dev/null; then echo buildah
  else die "no docker with a daemon that answers, no podman and no buildah is here: install one of them."
  fi
}

port_of() { sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "services/ocr_serving/modules/$1/config.json"; }
size_of() {
  case $builder in
    docker | podman) $builder image inspect --format '{{.Size}}' "$1" | awk '{printf "%.0f MB\n", $1 / 1e6}' ;;
    *) $builder images --format '{{.Size}}' "$1" ;;
  esac
}

# build IMAGE DOCKERFILE [OPTION...]
build() {
  local image=$1 dockerfile=$2 command=(build)
  shift 2
  case $builder in
    docker) ;;
    podman) command+=(--format docker) ;; # OCI's own format has no HEALTHCHECK
    *) command=(bud --format docker) ;;
  esac
  echo "==> $image"
  $builder "${command[@]}" --file "$dockerfile" --tag "$image" \
    --build-arg VERSION="$VERSION" --build-arg REVISION="$revision" "$@" "${index[@]}" .
  built+=("$image")
}

VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' services/ocr_serving/__init__.py)
TAG=${TAG:-$VERSION}
FLAVOR=${FLAVOR:-cpu}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
prefix=${REGISTRY-docker.io}
prefix=${prefix:+$prefix/}${REPOSITORY:-ocr-serving}
index=()
[ -z "${PIP_INDEX_URL:-}" ] || index=(--build-arg PIP_INDEX_URL="$PIP_INDEX_URL")
python=docker.io/library/python:3.11-slim-bookworm
case $FLAVOR in
  cpu) base=${BASE:-$python} ;;
  gpu | gpu-paddle) base=${BASE:-docker.io/nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04} ;;
  *) die "there is no flavour '$FLAVOR': FLAVOR is cpu, gpu or gpu-paddle." ;;
esac
[ "$FLAVOR" != gpu-paddle ] || [ -n "${EXTRA_INDEX:-}" ] ||
  die "the flavour gpu-paddle needs EXTRA_INDEX, the URL of Paddle's own package index for CUDA."

names_only=
if [ "${1:-}" = --names ]; then
  names_only=1
  shift
fi
if ! (($#)); then
  for file in services/ocr_serving/modules/*/module.py; do
    set -- "$@" "$(basename "$(dirname "$file")")"
  done
  set -- "$@" operator
fi
modules=() operator=
for name; do
  if [ "$name" = operator ]; then
    operator=$prefix/operator:$TAG
  elif [ -f "services/ocr_serving/modules/$name/module.py" ]; then
    modules+=("$name")
  else
    die "there is no module '$name': name a folder of services/ocr_serving/modules, or operator."
  fi
done
name_of() { echo "$prefix/${1//_/-}:$TAG-$FLAVOR"; }
if [ -n "$names_only" ]; then
  for module in "${modules[@]}"; do name_of "$module"; done
  [ -z "$operator" ] || echo "$operator"
  exit
fi

if [ "${BY_DIGEST:-}" = 1 ]; then
  ! ((${#modules[@]})) || [[ $base == *@sha256:* ]] || die "BASE is $base: name it by its digest, IMAGE@sha256:…, or leave BY_DIGEST out."
  [ -z "$operator" ] || [[ ${PYTHON_BASE:-$python} == *@sha256:* ]] ||
    die "PYTHON_BASE is ${PYTHON_BASE:-$python}: name it by its digest, IMAGE@sha256:…, or leave BY_DIGEST out."
fi
if [ -n "${BUILDER:-}" ]; then
  builder=$BUILDER
else
  builder=${ENGINE:-auto}
  [ "$builder" != auto ] || builder=$(engine)
fi
built=()
if ((${#modules[@]})); then
  shared=$(name_of base)
  build "$shared" images/base/Dockerfile --build-arg BASE="$base" --build-arg FLAVOR="$FLAVOR" \
    --build-arg EXTRA_INDEX="${EXTRA_INDEX:-}" --build-arg PADDLE_SHA256="${PADDLE_SHA256:-}"
  for module in "${modules[@]}"; do
    build "$(name_of "$module")" images/module/Dockerfile --build-arg BASE="$shared" --build-arg FLAVOR="$FLAVOR" \
      --build-arg MODULE="$module" --build-arg PORT="$(port_of "$module")"
  done
fi
if [ -n "$operator" ]; then
  build "$operator" images/operator/Dockerfile --build-arg BASE="${PYTHON_BASE:-$python}"
fi

if [ "${PUSH:-}" = 1 ]; then
  for image in "${built[@]}"; do
    echo "==> pushing $image"
    $builder push "$image"
  done
fi
for image in "${built[@]}"; do
  printf '%-10s %s\n' "$(size_of "$image")" "$image"
done
