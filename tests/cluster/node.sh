#!/bin/bash
# The node. up.sh starts this as pid 1 of new mount, network, pid, UTS, IPC and
# cgroup namespaces; it makes them look like a machine of their own and then
# runs the components, each restarted when it exits. When this process is
# killed, so is everything in the node, containers included.
set -euo pipefail
. "$(dirname "$0")/env.sh"

node_mounts() {
  mount --make-rshared /
  mount -t tmpfs -o mode=755 tmpfs /run
  mount --rbind "$node_var" /var

  umount --recursive /sys # the host's, in this namespace only
  mount -t sysfs sysfs /sys
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  local controllers options
  while IFS=: read -r _ controllers _; do
    [ -n "$controllers" ] || continue
    options=$controllers
    [[ $controllers != name=* ]] || options=none,$controllers
    mkdir "/sys/fs/cgroup/${controllers#name=}"
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${controllers#name=}"
  done </proc/self/cgroup

  # The kubelet sets these, which belong to the whole machine, unless they have
  # the values it wants. Let it read those, and leave the machine's alone.
  local setting
  mkdir /run/sysctl
  for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    echo "${setting#*=}" >"/run/sysctl/${setting##*/}"
    mount --bind "/run/sysctl/${setting##*/}" "/proc/sys/${setting%=*}"
  done
}

node_network() {
  hostname "$NODE_NAME"
  ip link set lo up
  # The node's address, on a link that leads nowhere. There is no default
  # route: what is for no pod or Service fails at once, and nothing gets out.
  ip link add node0 type veth peer name node0-peer
  ip address add "$NODE_IP/24" dev node0
  ip link set node0-peer up
  ip link set node0 up
  ip route add "$SERVICE_CIDR" dev node0 # so that the kernel goes as far as kube-proxy's rules
  sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
}

# supervise NAME COMMAND...: keeps COMMAND running, its output in logs/NAME.log
supervise() {
  local name=$1; shift
  while :; do
    local status=0
    "$@" >>"$logs/$name.log" 2>&1 || status=$?
    echo "$name exited with status $status; restarting it" >>"$logs/$name.log"
    sleep 1
  done &
}

node_mounts
node_network

supervise containerd containerd --config "$conf/containerd.toml"

# Nothing else is in this network namespace but pods, and a test cluster has
# nothing to keep, hence no TLS for etcd and no waiting for the disk.
supervise etcd etcd --name node --data-dir "$CLUSTER_DIR/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster node=http://127.0.0.1:2380

wait_for 60 bash -c ': </dev/tcp/127.0.0.1/2379' || die "etcd did not come up: see $logs/etcd.log"

supervise kube-apiserver kube-apiserver \
  --etcd-servers http://127.0.0.1:2379 \
  --advertise-address "$NODE_IP" --secure-port 6443 \
  --service-cluster-ip-range "$SERVICE_CIDR" \
  --allow-privileged \
  --audit-policy-file "$here/manifests/audit.yaml" --audit-log-path "$logs/audit.log" \
  --authorization-mode Node,RBAC \
  --enable-admission-plugins NodeRestriction \
  --client-ca-file "$pki/ca.crt" \
  --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
  --kubelet-client-certificate "$pki/apiserver-kubelet.crt" --kubelet-client-key "$pki/apiserver-kubelet.key" \
  --kubelet-preferred-address-types InternalIP \
  --service-account-issuer https://kubernetes.default.svc.cluster.local \
  --service-account-key-file "$pki/service-account.pub" \
  --service-account-signing-key-file "$pki/service-account.key" \
  --proxy-client-cert-file "$pki/front-proxy.crt" --proxy-client-key-file "$pki/front-proxy.key" \
  --requestheader-client-ca-file "$pki/front-proxy-ca.crt" \
  --requestheader-allowed-names front-proxy \
  --requestheader-username-headers X-Remote-User \
  --requestheader-group-headers X-Remote-Group \
  --requestheader-extra-headers-prefix X-Remote-Extra-

# The host has no route to here: socat at its end (see up.sh) takes this socket.
supervise api-socket socat "UNIX-LISTEN:$run/api.sock,fork,unlink-early,mode=600" TCP:127.0.0.1:6443

wait_for 120 kubectl --kubeconfig "$conf/node-admin.kubeconfig" get --raw /readyz ||
  die "kube-apiserver did not get ready: see $logs/kube-apiserver.log"

supervise kube-controller-manager kube-controller-manager \
  --kubeconfig "$conf/kube-controller-manager.kubeconfig" \
  --leader-elect=false \
  --use-service-account-credentials \
  --service-account-private-key-file "$pki/service-account.key" \
  --root-ca-file "$pki/ca.crt" \
  --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
  --flex-volume-plugin-dir /var/lib/kubelet/volumeplugins

supervise kube-scheduler kube-scheduler --kubeconfig "$conf/kube-scheduler.kubeconfig" --leader-elect=false

supervise kubelet kubelet --config "$conf/kubelet.yaml" --kubeconfig "$conf/kubelet.kubeconfig" \
  --hostname-override "$NODE_NAME" --node-ip "$NODE_IP"

supervise kube-proxy kube-proxy --config "$conf/kube-proxy.yaml" --hostname-override "$NODE_NAME"

wait
