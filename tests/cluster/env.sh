# shellcheck shell=bash disable=SC2034 # what is set here is used by those who source it
# Settings shared by the scripts beside this file; each of them sources it.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# All state of the cluster: binaries, keys, logs, etcd, images, KUBECONFIG.
CLUSTER_DIR=$(realpath -m "${CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ocr-serving/cluster}")
# Port on the host's 127.0.0.1 where the API is reached.
API_PORT=${API_PORT:-6443}
export CLUSTER_DIR API_PORT

bin=$CLUSTER_DIR/bin       # binaries that build.sh makes
pki=$CLUSTER_DIR/pki       # keys and certificates
conf=$CLUSTER_DIR/conf     # generated configuration of the components
logs=$CLUSTER_DIR/logs     # one log for each component
run=$CLUSTER_DIR/run       # pid files and sockets
node_var=$CLUSTER_DIR/var  # what the node sees as /var (images, pod volumes, pod logs)

export KUBECONFIG=$CLUSTER_DIR/kubeconfig
export PATH=$bin:$PATH
containerd_sock=$run/containerd.sock

NODE_NAME=node
# Addresses in the node's own network namespace, which has no way out.
NODE_IP=10.95.0.1
POD_CIDR=10.244.0.0/24
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_IP=10.96.0.10

# What these are called in archives that pack.sh made.
PAUSE_IMAGE=k8slab.local/pause:1
COREDNS_IMAGE=k8slab.local/coredns:1

die() { echo "${0##*/}: $*" >&2; exit 1; }
say() { # with the seconds since the script began
  local tenths=$(((${EPOCHREALTIME/./} - started) / 100000))
  printf '%4d.%ds  %s\n' $((tenths / 10)) $((tenths % 10)) "$*"
}
started=${EPOCHREALTIME/./}

# wait_for SECONDS COMMAND...: until COMMAND succeeds; fails where it doesn't in time
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

# alone NAME: waits for other scripts that are at NAME, and keeps later ones waiting until this one ends
alone() {
  mkdir -p "$CLUSTER_DIR"
  exec {alone_at}>"$CLUSTER_DIR/$1.lock"
  flock "$alone_at"
}

# install_packages NAME...: those of Debian's packages that are not installed yet
install_packages() {
  local package missing=()
  for package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# buildah, with its images under CLUSTER_DIR. It leaves mounts behind, so it gets
# a mount namespace of its own, and a new directory for what it knows of them.
buildah_here() {
  mkdir -p "$CLUSTER_DIR"/images/{root,run}
  # shellcheck disable=SC2016 # $0 and $@ are those of the inner bash
  unshare --mount bash -c 'mount -t tmpfs tmpfs "$0" && exec buildah "$@"' "$CLUSTER_DIR/images/run" \
    --root "$CLUSTER_DIR/images/root" --runroot "$CLUSTER_DIR/images/run" --storage-driver overlay "$@"
}

# The host's pid of the process that holds the node's namespaces (it is their
# pid 1), or nothing when the node is not running. run/node.pid is the pid of
# the unshare that is its parent; the command line guards against pid reuse.
node_pid() {
  local parent
  parent=$(cat "$run/node.pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$parent/cmdline" 2>/dev/null | grep -qF "node.sh $CLUSTER_DIR" || return 1
  pgrep -P "$parent"
}

# One line "CONTROLLER DIRECTORY" for each cgroup v1 hierarchy: where the node's
# own cgroup goes, under the one this shell is in.
node_cgroups() {
  local controllers path
  while IFS=: read -r _ controllers path; do
    [ -n "$controllers" ] || continue
    mountpoint -q "/sys/fs/cgroup/${controllers#name=}" || continue
    echo "$controllers /sys/fs/cgroup/${controllers#name=}${path%/}/ocr-serving-$(basename "$CLUSTER_DIR")"
  done </proc/self/cgroup
}
