#!/bin/bash
# buildah.sh ARG...: buildah, with its images under CLUSTER_DIR and with the
# options that a build needs where cgroups are withheld and no image registry is
# reached. images/build.sh takes this as BUILDER.
set -euo pipefail
. "$(dirname "$0")/env.sh"

install_packages buildah >&2
if [ "${1:-}" = bud ]; then
  shift
  layers=true
  for option; do
    # this buildah's cache takes layers made with other build arguments for the same
    [[ $option != --build-arg* ]] || layers=false
  done
  # chroot: the other ways to isolate a RUN want cgroups that are not to be had here
  buildah_here bud --isolation chroot --network host --pull-never --layers=$layers "$@"
else
  buildah_here "$@"
fi
