#!/bin/bash
# Brings up a real Kubernetes cluster of one node on this machine, from package
# registries alone. Idempotent: where the cluster is up it only says so.
#
#   ./up.sh                   build what is missing, start, wait until ready
#   export KUBECONFIG=...     as it prints at the end
#   ./load-image.sh FILE.tar  put an image where pods find it (there is no registry)
#   ./node-exec.sh COMMAND    run a command on the node: curl a ClusterIP, ctr, ip, ...
#   ./down.sh                 stop it
#
# CLUSTER_DIR (default ~/.cache/ocr-serving/cluster) holds all of it; API_PORT (default
# 6443) is the API's port on 127.0.0.1. Every start begins with an empty
# cluster; binaries and loaded images are kept.
#
# The node lives in namespaces of its own (see node.sh), so the host's network,
# mounts, sysctls and process list stay as they are. Its network has no way out.
set -euo pipefail
. "$(dirname "$0")/env.sh"

show_logs() {
  local log
  for log in "$logs"/*.log; do
    echo "--- $log"
    tail -n 5 "$log"
  done >&2
}

check_machine() {
  local free
  [ "$(id -u)" = 0 ] || die "needs root"
  [ "$(uname -m)" = x86_64 ] || die "needs x86_64: the images say amd64"
  [ -n "$(node_cgroups)" ] || die "needs cgroup v1 controllers mounted under /sys/fs/cgroup"
  case $CLUSTER_DIR/ in
    /var/* | /run/* | /sys/* | /proc/*) die "CLUSTER_DIR is where the node has a directory of its own: $CLUSTER_DIR" ;;
  esac
  ((${#containerd_sock} < 100)) || die "CLUSTER_DIR is too long for a socket's path: $CLUSTER_DIR"
  mkdir -p "$CLUSTER_DIR"
  free=$(df --output=avail -BG "$CLUSTER_DIR" | tail -n 1 | tr -dc 0-9)
  ((free >= 7)) || say "only $free GB of disk are free at $CLUSTER_DIR: the images of the end-to-end tests take 5 and what builds them 2 more"
  ! (exec 3<>"/dev/tcp/127.0.0.1/$API_PORT") 2>/dev/null || die "port $API_PORT of 127.0.0.1 is taken: set API_PORT"
}

# certificate NAME CA SUBJECT [ALTERNATIVE_NAMES]
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$pki/$1.key" -subj "$3" 2>/dev/null |
    openssl x509 -req -days 3650 -CA "$pki/$2.crt" -CAkey "$pki/$2.key" -CAcreateserial -out "$pki/$1.crt" -extfile <(
      echo basicConstraints=CA:FALSE
      echo keyUsage=digitalSignature
      echo extendedKeyUsage=serverAuth,clientAuth
      [ -z "${4:-}" ] || echo "subjectAltName=$4"
    ) 2>/dev/null
}

make_pki() {
  local ca
  rm -rf "$pki" && (umask 077 && mkdir -p "$pki")
  for ca in ca front-proxy-ca; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=ocr-serving-$ca" \
      -addext keyUsage=critical,digitalSignature,keyCertSign,cRLSign \
      -keyout "$pki/$ca.key" -out "$pki/$ca.crt" 2>/dev/null
  done
  certificate apiserver ca /CN=kube-apiserver "$(printf 'DNS:%s,' kubernetes kubernetes.default \
    kubernetes.default.svc kubernetes.default.svc.cluster.local localhost)IP:$API_SERVICE_IP,IP:$NODE_IP,IP:127.0.0.1"
  certificate apiserver-kubelet ca /O=system:masters/CN=apiserver-kubelet-client
  certificate front-proxy front-proxy-ca /CN=front-proxy
  certificate admin ca /O=system:masters/CN=admin
  certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE_NAME"
  certificate kube-controller-manager ca /CN=system:kube-controller-manager
  certificate kube-scheduler ca /CN=system:kube-scheduler
  certificate kube-proxy ca /CN=system:kube-proxy
  openssl ecparam -genkey -name prime256v1 -noout -out "$pki/service-account.key"
  openssl ec -in "$pki/service-account.key" -pubout -out "$pki/service-account.pub" 2>/dev/null
}

# kubeconfig FILE CERTIFICATE PORT
kubeconfig() {
  (umask 077 && cat >"$1") <<END
apiVersion: v1
kind: Config
current-context: ocr-serving
contexts: [{name: ocr-serving, context: {cluster: ocr-serving, user: $2}}]
clusters:
- name: ocr-serving
  cluster:
    server: https://127.0.0.1:$3
    certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64 -w0 "$pki/$2.crt")
    client-key-data: $(base64 -w0 "$pki/$2.key")
END
}

make_conf() {
  local component
  mkdir -p "$conf/cni"
  kubeconfig "$KUBECONFIG" admin "$API_PORT"
  kubeconfig "$conf/node-admin.kubeconfig" admin 6443
  for component in kubelet kube-controller-manager kube-scheduler kube-proxy; do
    kubeconfig "$conf/$component.kubeconfig" "$component" 6443
  done

  cat >"$conf/containerd.toml" <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "$containerd_sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  disable_apparmor = true
  # The machine withholds CAP_SYS_RESOURCE, without which no score goes down.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$conf/cni"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
END

  cat >"$conf/cni/10-bridge.conflist" <<END
{
  "cniVersion": "1.0.0",
  "name": "ocr-serving",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "$POD_CIDR"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
END

  : >"$conf/resolv.conf" # the node resolves nothing; pods get the cluster's DNS
  cat >"$conf/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$containerd_sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $conf/resolv.conf
volumePluginDir: /var/lib/kubelet/volumeplugins
authentication:
  x509: {clientCAFile: $pki/ca.crt}
  anonymous: {enabled: false}
  webhook: {enabled: true}
authorization: {mode: Webhook}
# Images come from no registry, so one that is removed is gone: never do it, on a
# full disk neither. What is not named here is not looked at.
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 200Mi}
END

  cat >"$conf/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $conf/kube-proxy.kubeconfig}
mode: iptables
clusterCIDR: $POD_CIDR
iptables: {minSyncPeriod: 100ms} # the default waits up to 1 s with a change
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
}

start_node() {
  local controllers directory setting
  # A cgroup of the node's own, under this shell's: what limits or accounts for
  # the one that runs this script still does so for the pods.
  node_cgroups >"$run/cgroups"
  while read -r controllers directory; do
    mkdir -p "$directory"
    if [[ $controllers = *cpuset* ]]; then
      for setting in cpuset.cpus cpuset.mems; do
        cat "$(dirname "$directory")/$setting" >"$directory/$setting"
      done
    fi
  done <"$run/cgroups"

  (
    while read -r _ directory; do echo "$BASHPID" >"$directory/cgroup.procs"; done <"$run/cgroups"
    exec setsid unshare --mount --propagation slave --mount-proc --net --pid --fork --kill-child --uts --ipc --cgroup \
      bash "$here/node.sh" "$CLUSTER_DIR" </dev/null >"$logs/node.log" 2>&1
  ) &
  echo $! >"$run/node.pid"

  setsid socat "TCP-LISTEN:$API_PORT,bind=127.0.0.1,fork,reuseaddr" "UNIX-CONNECT:$run/api.sock" \
    </dev/null >"$logs/api-port.log" 2>&1 &
  echo $! >"$run/api-port.pid"
}

node_runs() { node_pid >/dev/null; }
node_ready() { kubectl wait --for=condition=Ready "node/$NODE_NAME" --timeout=1s; }

wait_until_ready() {
  local seconds=$1 what=$2; shift 2
  local deadline=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    node_runs || { show_logs; die "the node stopped while waiting for: $what"; }
    ((SECONDS < deadline)) || { show_logs; die "gave up after $seconds s waiting for: $what"; }
    sleep 0.2
  done
  say "$what"
}

if node_runs && kubectl get --raw /readyz >/dev/null 2>&1; then
  echo "already up: export KUBECONFIG=$KUBECONFIG PATH=$bin:\$PATH"
  exit 0
fi

"$here/down.sh"
check_machine
"$here/build.sh"

rm -rf "$CLUSTER_DIR/etcd" "$logs" "$run" "$node_var"/{lib/kubelet,lib/cni,log,tmp}
mkdir -p "$logs" "$run" "$node_var"/{lib/containerd,lib/kubelet,log,tmp}
ln -sfn /run "$node_var/run"
make_pki
make_conf
say "keys and configuration are made"
start_node

wait_until_ready 60 "containerd answers" ctr --address "$containerd_sock" version
"$here/load-image.sh" "$bin/pause.tar" "$bin/coredns.tar" >/dev/null
wait_until_ready 120 "the API is ready" kubectl get --raw /readyz
sed "s|@DNS_IP@|$DNS_IP|; s|@COREDNS_IMAGE@|$COREDNS_IMAGE|" "$here/manifests/coredns.yaml" | kubectl apply -f - >/dev/null
wait_until_ready 120 "the node is ready" node_ready
wait_until_ready 120 "DNS is ready" kubectl -n kube-system rollout status deployment/coredns --timeout=2s

echo "up: export KUBECONFIG=$KUBECONFIG PATH=$bin:\$PATH"
