# The parts of the cluster, in their startup order; sourced by dev/cluster.
# shellcheck shell=bash

API=https://$NODE_IP:6443

# certificate NAME COMMON_NAME ORGANIZATION [EXTENSIONS] : creates a certificate, signed by the cluster's authority. Without any
# extension it would have version 1, which rustls refuses.
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/O=$3/CN=$2" \
        -keyout "$RUN/tls/$1.key" -out "$RUN/tls/$1.csr"
    openssl x509 -req -days 365 -in "$RUN/tls/$1.csr" -CA "$RUN/tls/ca.crt" -CAkey "$RUN/tls/ca.key" -CAcreateserial \
        -extfile <(printf 'basicConstraints=CA:FALSE\n%s' "${4:-}") -out "$RUN/tls/$1.crt"
}

# kubeconfig NAME : writes a kubeconfig for the client certificate of that name.
kubeconfig() {
    local file=$RUN/kubeconfig/$1
    "$KUBE/kubectl" --kubeconfig "$file" config set-cluster dev --server "$API" --certificate-authority "$RUN/tls/ca.crt" --embed-certs
    "$KUBE/kubectl" --kubeconfig "$file" config set-credentials "$1" --client-certificate "$RUN/tls/$1.crt" \
        --client-key "$RUN/tls/$1.key" --embed-certs
    "$KUBE/kubectl" --kubeconfig "$file" config set-context dev --cluster dev --user "$1"
    "$KUBE/kubectl" --kubeconfig "$file" config use-context dev
}

certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=sc-auth-dev \
        -keyout "$RUN/tls/ca.key" -out "$RUN/tls/ca.crt"
    openssl genrsa -out "$RUN/tls/service-accounts.key" 2048
    certificate apiserver kube-apiserver sc-auth-dev \
        "subjectAltName=DNS:kubernetes.default.svc,DNS:kubernetes.default,DNS:localhost,IP:127.0.0.1,IP:$NODE_IP,IP:${SERVICES%.0/16}.1"
    certificate admin admin system:masters
    certificate controller-manager system:kube-controller-manager system:kube-controller-manager
    certificate scheduler system:kube-scheduler system:kube-scheduler
    certificate kubelet system:node:dev system:nodes
    certificate proxy system:kube-proxy system:kube-proxy
    # The API server's client certificate for the aggregated metrics API.
    certificate front-proxy front-proxy sc-auth-dev
    local name
    for name in admin controller-manager scheduler kubelet proxy; do kubeconfig $name; done
}

etcd_up() {
    background etcd "${INSIDE[@]}" "$CACHE/bin/etcd-$ETCD/etcd" --data-dir "$RUN/etcd" --unsafe-no-fsync \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380
}

# The audit log is for the tests, and has each status in full. With SCDEV_NO_AUDIT there is none.
apiserver_up() {
    local audit=(--audit-policy-file "$ROOT/dev/manifests/audit-policy.yaml" --audit-log-path "$RUN/audit.log")
    [[ -z ${SCDEV_NO_AUDIT:-} ]] || audit=()
    background apiserver "${INSIDE[@]}" "$KUBE/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
        --advertise-address "$NODE_IP" --kubelet-preferred-address-types InternalIP --secure-port 6443 --service-cluster-ip-range "$SERVICES" \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction,OwnerReferencesPermissionEnforcement \
        --client-ca-file "$RUN/tls/ca.crt" --tls-cert-file "$RUN/tls/apiserver.crt" --tls-private-key-file "$RUN/tls/apiserver.key" \
        --kubelet-client-certificate "$RUN/tls/admin.crt" --kubelet-client-key "$RUN/tls/admin.key" \
        --proxy-client-cert-file "$RUN/tls/front-proxy.crt" --proxy-client-key-file "$RUN/tls/front-proxy.key" \
        --requestheader-client-ca-file "$RUN/tls/ca.crt" --requestheader-allowed-names front-proxy \
        --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
        --requestheader-extra-headers-prefix X-Remote-Extra- \
        --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$RUN/tls/service-accounts.key" \
        --service-account-signing-key-file "$RUN/tls/service-accounts.key" \
        "${audit[@]}" --allow-privileged \
        --feature-gates MutatingAdmissionPolicy=true --runtime-config admissionregistration.k8s.io/v1beta1=true
    wait_for 180 "the API server is ready" kubectl get --raw /readyz
}

# controllers_up CONTROLLERS : starts kube-controller-manager; CONTROLLERS has the syntax of its flag.
controllers_up() {
    background controller-manager "${INSIDE[@]}" "$KUBE/kube-controller-manager" --kubeconfig "$RUN/kubeconfig/controller-manager" \
        --controllers "$1" --use-service-account-credentials --root-ca-file "$RUN/tls/ca.crt" \
        --service-account-private-key-file "$RUN/tls/service-accounts.key" --leader-elect=false \
        --horizontal-pod-autoscaler-sync-period 5s --horizontal-pod-autoscaler-cpu-initialization-period 10s \
        --horizontal-pod-autoscaler-downscale-stabilization 20s
}

scheduler_up() {
    background scheduler "${INSIDE[@]}" "$KUBE/kube-scheduler" --kubeconfig "$RUN/kubeconfig/scheduler" --leader-elect=false
}

containerd_up() {
    cat >"$RUN/etc/containerd.toml" <<TOML
version = 2
root = "$RUN/containerd"
state = "$RUN/containerd-state"
[grpc]
  address = "$RUN/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$RUN/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
TOML
    mkdir -p "$RUN/etc/cni"
    cat >"$RUN/etc/cni/10-dev.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "sc-auth-dev", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$RUN/ipam", "ranges": [[{"subnet": "$PODS"}]], "routes": [{"dst": "0.0.0.0/0"}]}}
]}
JSON
    background containerd "${INSIDE[@]}" containerd --config "$RUN/etc/containerd.toml"
    wait_for 180 "containerd answers" ctr -a "$RUN/containerd.sock" version
}

load_image() { ctr -a "$RUN/containerd.sock" -n k8s.io images import "$1"; }

load_ours() {
    load_image "$CACHE/images/sc-auth-server.tar"
    load_image "$CACHE/images/sc-auth-operator.tar"
    # A second name, for the tests that change the image.
    local name
    for name in "sc-auth-server:$(version)" "sc-auth-operator:$(version)"; do
        ctr -a "$RUN/containerd.sock" -n k8s.io images tag --force "$EXAMPLE_REGISTRY/$name" "docker.io/local/$name"
    done
}

load_all() {
    load_image "$CACHE/images/pause-1.tar"
    load_image "$CACHE/images/busybox-1.tar"
    load_image "$CACHE/images/coredns-$COREDNS.tar"
    load_image "$CACHE/images/traefik-$TRAEFIK.tar"
    load_image "$CACHE/images/metrics-server-$METRICS_SERVER.tar"
    load_ours
}

node_up() {
    cat >"$RUN/etc/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$RUN/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
clusterDNS: [${SERVICES%.0/16}.10]
clusterDomain: cluster.local
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $RUN/tls/ca.crt}}
authorization: {mode: AlwaysAllow}
localStorageCapacityIsolation: false
evictionHard: {}
imageGCHighThresholdPercent: 100
syncFrequency: 10s
fileCheckFrequency: 10s
YAML
    background kubelet "${INSIDE[@]}" "$KUBE/kubelet" --config "$RUN/etc/kubelet.yaml" --kubeconfig "$RUN/kubeconfig/kubelet" \
        --root-dir "$RUN/kubelet" --hostname-override dev --node-ip "$NODE_IP"
    cat >"$RUN/etc/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: $PODS
hostnameOverride: dev
clientConnection: {kubeconfig: $RUN/kubeconfig/proxy}
conntrack: {maxPerCore: 0, min: 0}
YAML
    background proxy "${INSIDE[@]}" "$KUBE/kube-proxy" --config "$RUN/etc/proxy.yaml"
    wait_for 180 "the node is there" kubectl get node dev
    kubectl wait --for condition=Ready node/dev --timeout 240s
}

policies_up() {
    background policies "${INSIDE[@]}" "$CACHE/bin/kube-router-$KUBE_ROUTER/kube-router" --kubeconfig "$RUN/kubeconfig/admin" \
        --hostname-override dev --service-cluster-ip-range "$SERVICES" --health-port 0 \
        --run-firewall --run-router=false --run-service-proxy=false
}

# manifest FILE : applies it with this cluster's versions and addresses.
manifest() {
    sed -e "s/COREDNS_VERSION/$COREDNS/; s/TRAEFIK_VERSION/$TRAEFIK/; s/METRICS_SERVER_VERSION/$METRICS_SERVER/; s/NODE_IP/$NODE_IP/" "$ROOT/dev/manifests/$1" | kubectl apply -f -
}

dns_up() {
    manifest coredns.yaml
    kubectl -n kube-system rollout status deployment/coredns --timeout 240s
}

metrics_up() {
    manifest metrics-server.yaml
    kubectl -n kube-system rollout status deployment/metrics-server --timeout 240s
}

definitions_up() {
    kubectl apply --server-side -f "$(definitions_file)"
    kubectl wait --for condition=Established crd --all --timeout 240s
}

traefik_up() {
    kubectl apply --server-side -f "$(traefik_definitions_file)"
    manifest traefik.yaml
    kubectl -n traefik rollout status deployment/traefik --timeout 240s
}

volumes_up() {
    manifest storage-class.yaml
    local number folder
    # A used volume is not recycled, so there must be enough for all tests in sequence.
    for number in $(seq -w 1 200); do
        folder=$RUN/volumes/$number
        mkdir -p "$folder"
        cat <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: local-$number}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: local
  local: {path: $folder}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [dev]}]}]}}
---
YAML
    done | kubectl apply -f -
}

node_down() {
    end kubelet
    end policies
    end proxy
    if [[ -S $RUN/containerd.sock ]]; then
        local id
        for id in $(ctr -a "$RUN/containerd.sock" -n k8s.io tasks ls -q); do
            ctr -a "$RUN/containerd.sock" -n k8s.io tasks rm -f "$id" || true
        done
        for id in $(ctr -a "$RUN/containerd.sock" -n k8s.io containers ls -q); do
            ctr -a "$RUN/containerd.sock" -n k8s.io containers rm "$id" || true
        done
    fi
    end containerd
}

# Killed, since its data is deleted anyway: a clean shutdown is not necessary.
control_plane_down() {
    local part
    for part in scheduler controller-manager apiserver etcd; do
        end "$part" KILL
    done
}

files_down() {
    local mounted
    # Deepest paths first.
    awk -v run="$RUN/" 'index($2, run) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mounted; do umount "$mounted"; done
    find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
    rm -rf --one-file-system "$RUN"
    rmdir --ignore-fail-on-non-empty /var/lib/sc-auth-dev
}
