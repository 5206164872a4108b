#!/bin/bash
# build-image.sh IMAGE DIRECTORY [BUILDAH_BUD_OPTION...]: builds DIRECTORY's
# Dockerfile and, where the cluster is up, loads the image into it. The archive
# stays in $CLUSTER_DIR/images. IMAGE in full: docker.io/org/name:tag.
set -euo pipefail
. "$(dirname "$0")/env.sh"

(($# >= 2)) || die "usage: build-image.sh IMAGE DIRECTORY [BUILDAH_BUD_OPTION...]"
image=$1 directory=$2
shift 2
archive=$CLUSTER_DIR/images/$(tr '/:' '__' <<<"$image").tar

"$here/buildah.sh" bud --tag "$image" "$@" "$directory"
rm -f "$archive"
buildah_here push --quiet "$image" "docker-archive:$archive:$image"
say "$image is in $archive"
if node_pid >/dev/null; then
  "$here/load-image.sh" "$archive"
  say "$image is loaded"
fi
