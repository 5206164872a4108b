#!/bin/bash
# Checks that the cluster, which must be up, does what the e2e tests need of it.
set -uo pipefail
cd "$(dirname "$0")" || exit
. ../env.sh
node_pid >/dev/null || die "the cluster is not up"
../base-image.sh || exit
for version in v1 v2; do
  ../build-image.sh "docker.io/ocr-serving/smoke:$version" image --build-arg VERSION=$version >/dev/null 2>&1 || die "the image was not built"
done
passed=0 failed=0
check() { local what=$1; shift; local out; if out=$("$@" 2>&1); then echo "ok    $what"; passed=$((passed+1)); else echo "FAIL  $what"; echo "$out" | tail -8 | sed 's/^/      /'; failed=$((failed+1)); fi; }
# shellcheck disable=SC2015 # grep is the last word on it
fails_with() { local text=$1; shift; local out; ! out=$("$@" 2>&1) && grep -q "$text" <<<"$out" || { echo "$out"; return 1; }; }
gives() { local text=$1; shift; local out; out=$("$@" 2>&1); grep -q "$text" <<<"$out" || { echo "$out"; return 1; }; }
k() { kubectl -n demo "$@"; }
inpod() { k exec client -- "$@"; }
get='import sys,urllib.request as u; print(u.urlopen(sys.argv[1],timeout=5).read().decode())'

kubectl delete ns demo --ignore-not-found >/dev/null 2>&1
kubectl apply -f app.yaml >/dev/null
check "default service account exists" wait_for 20 k get sa default
check "deployment gets ready" k rollout status deploy/app --timeout=60s
check "client pod gets ready" k wait --for=condition=Ready pod/client --timeout=60s
ip=$(k get svc app -o jsonpath='{.spec.clusterIP}')
# A Service follows its pods' readiness a moment later: here, as anywhere, retry.
check "ClusterIP from the node" wait_for 5 gives '"version":"v1"' ../node-exec.sh curl -sS -m 5 "http://$ip/"
check "NodePort from the node" gives '"version":"v1"' ../node-exec.sh curl -sS -m 5 "http://10.95.0.1:30080/"
check "ClusterIP from a pod" gives '"version":"v1"' inpod python3 -c "$get" "http://$ip/"
check "Service name from a pod (full)" gives '"version":"v1"' inpod python3 -c "$get" http://app.demo.svc.cluster.local/
check "Service name from a pod (short)" gives '"version":"v1"' inpod python3 -c "$get" http://app/
check "unknown name fails fast" fails_with "not known" inpod python3 -c "$get" http://example.com/
check "no way out by address" fails_with "unreachable" inpod python3 -c "$get" http://192.0.2.1/
lb() { for _ in {1..20}; do ../node-exec.sh curl -sS -m 5 "http://$ip/"; done | grep -o '"host":"[^"]*"' | sort | uniq -c | wc -l | grep -qx 2; }
check "Service balances over both replicas" lb
check "a pod reaches itself through its Service" gives '"version"' k exec deploy/app -- bash -c "for i in 1 2 3 4 5 6; do python3 -c '$get' http://app/ || exit 1; done"
check "kubectl logs" gives listening k logs deploy/app
check "service account token is mounted" gives '"sa_token":true' inpod python3 -c "$get" http://app/
pf() { k port-forward svc/app 18080:80 >/dev/null 2>&1 & local p=$!; local r=1; for _ in {1..30}; do sleep 0.2; curl -sS -m 2 http://127.0.0.1:18080/ 2>/dev/null | grep -q version && r=0 && break; done; kill $p; return $r; }
check "kubectl port-forward from the host" pf
check "kubectl cp" bash -c "echo hello > /tmp/ocr-serving-cp && kubectl -n demo cp /tmp/ocr-serving-cp client:/tmp/x && kubectl -n demo exec client -- grep hello /tmp/x"

# rolling update with requests going on
roll() {
  local bad=0 n=0 out
  k set image deploy/app app=docker.io/ocr-serving/smoke:v2 || return 1
  k rollout status deploy/app --timeout=90s & local p=$!
  while kill -0 $p 2>/dev/null; do n=$((n+1)); ../node-exec.sh curl -sS -m 2 "http://$ip/" >/dev/null || bad=$((bad+1)); sleep 0.2; done
  wait $p || return 1
  for _ in {1..10}; do sleep 0.3; out=$(../node-exec.sh curl -sS -m 5 "http://$ip/"); done
  echo "$n requests during the update, $bad failed"
  [ "$bad" = 0 ] && grep -q '"version":"v2"' <<<"$out"
}
check "rolling update to v2, no request failing" roll
notready() { k set env deploy/app READY_AFTER=1000 >/dev/null; sleep 6; local r; r=$(k get deploy app -o jsonpath='{.status.readyReplicas}/{.status.unavailableReplicas}'); k rollout undo deploy/app >/dev/null; k rollout status deploy/app --timeout=60s >/dev/null; [ "$r" = 2/1 ] || { echo "ready/unavailable $r"; return 1; }; }
check "a pod whose readiness probe fails stops the update" notready

# fake GPUs
check "node takes nvidia.com/gpu: 2" ../fake-gpus.sh 2
pod() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: demo}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: docker.io/ocr-serving/smoke:v1, command: [sleep, infinity], resources: {limits: {nvidia.com/gpu: $2}}}]
END
}
pod gpu1 1 | kubectl apply -f - >/dev/null; pod gpu2 2 | kubectl apply -f - >/dev/null
check "a pod with nvidia.com/gpu: 1 runs" k wait --for=condition=Ready pod/gpu1 --timeout=30s
check "one that wants more than is left does not" gives "Insufficient nvidia.com/gpu" k get pod gpu2 -o jsonpath='{.status.conditions[*].message}'

# CRD with CEL
kubectl apply -f crd.yaml >/dev/null; kubectl wait --for=condition=Established crd/ocrs.demo.example.com --timeout=20s >/dev/null
check "custom resource is taken" bash -c "printf 'apiVersion: demo.example.com/v1\nkind: Ocr\nmetadata: {name: a, namespace: demo}\nspec: {min: 1, max: 2}\n' | kubectl apply -f -"
check "CEL rule of the CRD refuses a bad one" fails_with "min must not exceed max" bash -c "printf 'apiVersion: demo.example.com/v1\nkind: Ocr\nmetadata: {name: b, namespace: demo}\nspec: {min: 3, max: 2}\n' | kubectl apply -f -"
check "status subresource" bash -c "kubectl -n demo patch ocr a --subresource=status --type=merge -p '{\"status\":{\"phase\":\"Ready\"}}' && kubectl -n demo get ocr a | grep Ready"

# RBAC
check "RBAC refuses" fails_with "cannot list resource" k get pods --as=system:serviceaccount:demo:default
k create role reader --verb=list,get --resource=pods >/dev/null; k create rolebinding reader --role=reader --serviceaccount=demo:default >/dev/null
check "RBAC allows what is bound" k get pods --as=system:serviceaccount:demo:default
api='import ssl,urllib.request as u;d="/var/run/secrets/kubernetes.io/serviceaccount/";r=u.Request("https://kubernetes.default.svc/api/v1/namespaces/demo/pods",headers={"Authorization":"Bearer "+open(d+"token").read()});print(u.urlopen(r,context=ssl.create_default_context(cafile=d+"ca.crt"),timeout=5).status)'
check "a pod calls the API with its token, TLS verified" gives 200 inpod python3 -c "$api"
kubectl apply -f policy.yaml >/dev/null
vap() { wait_for 20 fails_with "no latest tags" kubectl -n demo run bad --image=x:latest --dry-run=server; }
check "ValidatingAdmissionPolicy refuses" vap
kubectl delete -f policy.yaml >/dev/null

# Helm
helm -n demo uninstall hello >/dev/null 2>&1
check "helm install --wait" helm -n demo install hello ./chart --wait --timeout 60s
check "helm upgrade --wait" helm -n demo upgrade hello ./chart --set replicas=2 --wait --timeout 60s
check "helm rollback" helm -n demo rollback hello 1 --wait --timeout 60s
check "helm release is listed" gives deployed helm -n demo list
check "helm uninstall" helm -n demo uninstall hello --wait --timeout 60s

# Jobs, volumes, limits
check "Job completes" bash -c "kubectl -n demo create job j --image=docker.io/ocr-serving/smoke:v1 -- python3 -c 'print(42)' && kubectl -n demo wait --for=condition=complete job/j --timeout=30s"
pod oom 0 | sed 's/nvidia.com.gpu: 0/memory: 64Mi/; s/\[sleep, infinity\]/[python3, -c, "b=bytearray(300*1024*1024)"]/; s/^spec:/spec:\n  restartPolicy: Never/' | kubectl apply -f - >/dev/null
check "memory limit is enforced (OOMKilled)" wait_for 30 bash -c "kubectl -n demo get pod oom -o jsonpath='{.status.containerStatuses[0].state.terminated.reason}' | grep -q OOMKilled"
check "kubelet stats (kubectl get --raw stats/summary)" gives usageNanoCores kubectl get --raw /api/v1/nodes/node/proxy/stats/summary
check "namespace deletion finishes" kubectl delete ns demo --timeout=90s
kubectl delete crd ocrs.demo.example.com >/dev/null 2>&1
echo "$passed passed, $failed failed"
[ $failed = 0 ]
