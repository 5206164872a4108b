#!/bin/bash
# use.sh: sees to it that there is a cluster and prints shell lines that choose it:
#
#   eval "$(tests/cluster/use.sh)"
#
# $KUBECONFIG where that is set; else kind, where docker's daemon answers and kind
# is installed; else the cluster of this folder, which it brings up. Then
# images.sh puts images on it.
set -euo pipefail
chosen=${KUBECONFIG:-}
. "$(dirname "$0")/env.sh"

# What an earlier use.sh chose is no choice of the user's.
case $chosen in "$CLUSTER_DIR"/*) chosen= ;; esac
if [ -n "$chosen" ]; then
  echo "export CLUSTER=given KUBECONFIG=$(printf %q "$chosen")"
elif command -v kind >/dev/null && docker info >/dev/null 2>&1; then
  kind get clusters 2>/dev/null | grep -qx ocr-serving || kind create cluster --name ocr-serving --wait 300s >&2
  mkdir -p "$CLUSTER_DIR"
  kind get kubeconfig --name ocr-serving >"$CLUSTER_DIR/kind.kubeconfig"
  echo "export CLUSTER=kind KUBECONFIG=$(printf %q "$CLUSTER_DIR/kind.kubeconfig")"
else
  "$here/up.sh" >&2
  echo "export CLUSTER=local KUBECONFIG=$(printf %q "$KUBECONFIG") PATH=$(printf %q "$bin"):\$PATH"
fi
