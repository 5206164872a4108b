#!/bin/bash
# Installs the Debian packages the cluster needs and builds its binaries into
# $CLUSTER_DIR/bin. Does nothing where that is done already; a change under
# tools/ or of the Go version builds again. An archive that pack.sh made is used
# in place of a build where it fits: PREBUILT, or the one beside the repository.
set -euo pipefail
. "$(dirname "$0")/env.sh"

alone build
install_packages containerd runc containernetworking-plugins iptables socat \
  openssl gcc libc6-dev procps util-linux iproute2 python3

command -v go >/dev/null || die "no go on PATH"
stamp=$(cd "$here/tools" && { go env GOVERSION; find . -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum)
if [ "$(cat "$bin/.stamp" 2>/dev/null)" = "$stamp" ]; then
  say "binaries are built: $bin"
  exit 0
fi

rm -rf "$bin" && mkdir -p "$bin"
PREBUILT=${PREBUILT-$here/../../../shared/cluster/prebuilt.tar.xz}
if [ -f "$PREBUILT" ]; then
  if [ "$(tar -xJf "$PREBUILT" --to-stdout --occurrence=1 .stamp 2>/dev/null)" = "$stamp" ]; then
    tar -C "$bin" -xJf "$PREBUILT"
    say "binaries are unpacked from $PREBUILT: $bin"
    exit 0
  fi
  say "not used, for it was built from something else: $PREBUILT"
fi

go_build() { go build -trimpath "$@" 2> >(grep -v '^go: downloading' >&2); }
export CGO_ENABLED=0
cd "$here/tools"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
helm_version=$(go list -m -f '{{.Version}}' helm.sh/helm/v3)
minor=${version#v1.}; minor=${minor%%.*}
base=k8s.io/component-base/version

say "building Kubernetes $version (a cold build takes about 10 minutes on 2 cores)"
go_build -o "$bin/kube" -ldflags "-s -w
  -X $base.gitVersion=$version -X $base.gitMajor=1 -X $base.gitMinor=$minor -X $base.gitTreeState=clean
  -X k8s.io/client-go/pkg/version.gitVersion=$version" ./kube
for component in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
  ln -sf kube "$bin/$component"
done

say "building Helm $helm_version"
go_build -o "$bin/helm" -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$helm_version" \
  helm.sh/helm/v3/cmd/helm

say "building CoreDNS"
(cd coredns && go_build -o "$bin/coredns" -ldflags "-s -w" .)
"$here/mkimage.py" "$bin/coredns" "$COREDNS_IMAGE" "$bin/coredns.tar"
rm "$bin/coredns"

say "building the pause image"
gcc -Os -static -s -o "$bin/pause" pause/pause.c
"$here/mkimage.py" "$bin/pause" "$PAUSE_IMAGE" "$bin/pause.tar"
rm "$bin/pause"

echo "$stamp" >"$bin/.stamp"
say "binaries are built: $bin"
