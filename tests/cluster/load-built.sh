#!/bin/bash
# load-built.sh IMAGE...: puts images of the local store (buildah.sh images) on
# the node, without a file in between.
set -euo pipefail
. "$(dirname "$0")/env.sh"

(($#)) || die "usage: load-built.sh IMAGE..."
node_pid >/dev/null || die "the cluster is not up"
for image; do
  buildah_here push --quiet "$image" "docker-archive:/dev/stdout:$image" |
    ctr --address "$containerd_sock" --namespace k8s.io images import -
done
