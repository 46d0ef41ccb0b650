# The demo in the cluster of the current context: whose objects are whose, and where the images come from; dev/demo sources it.
# shellcheck shell=bash disable=SC2034

# The label of the objects that the demo creates, and thus deletes again.
OURS=sc-auth-demo=made-by-make-demo
DEFINITION=crd/scauths.sc-auth.io
OPERATOR=deployment/sc-auth-operator
# What the install creates, the definition and the namespace last. kubectl ignores a namespace for objects of the whole cluster.
CREATED=("$OPERATOR" {service,serviceaccount,role,rolebinding,poddisruptionbudget,networkpolicy,clusterrole,clusterrolebinding}/sc-auth-operator
    namespace/sc-auth-system "$DEFINITION")
SYSTEM=(-n sc-auth-system)

# Uses the current context until this script ends, even if somebody switches it while the images are built.
use_the_current_cluster() {
    local context
    command -v kubectl >/dev/null || fail "kubectl is missing: https://kubernetes.io/docs/tasks/tools"
    context=$(kubectl config current-context 2>/dev/null) || fail "kubectl has no current context: set KUBECONFIG, or write ~/.kube/config"
    kubectl get --raw /version >/dev/null || fail "the cluster of context $context does not answer"
    PRIVATE=$(mktemp -d)
    trap clean_up EXIT
    (umask 077 && kubectl config view --minify --flatten --raw >"$PRIVATE/kubeconfig")
    export KUBECONFIG=$PRIVATE/kubeconfig
    say "in the cluster of context $context"
}

clean_up() {
    [[ -z ${FORWARDER:-} ]] || kill "$FORWARDER" 2>/dev/null || true
    rm -rf "$PRIVATE"
}

# look OBJECT [OPTION…] : sets FOUND to the object's label of the demo, "unlabelled", or "none". An object that cannot be read ends the
# script: it may be somebody else's.
look() {
    local name
    name=$(kubectl get "$@" --ignore-not-found -o name) || fail "cannot read $*: nothing was changed"
    FOUND=none
    [[ -n $name ]] || return 0
    FOUND=$(kubectl get "$@" -o "jsonpath={.metadata.labels.${OURS%%=*}}") || fail "cannot read $*: nothing was changed"
    FOUND=${FOUND:-unlabelled}
}

# Sets OPERATORS to the namespaces of all operators in this cluster, of any release.
look_for_operators() {
    OPERATORS=$(kubectl get deployment -A -l app.kubernetes.io/name=sc-auth-operator \
        -o jsonpath='{range .items[*]}{.metadata.namespace} {end}') || fail "cannot list the Deployments of all namespaces"
}

# Sets SCAUTHS to the ScAuths that are not the demo's.
look_for_scauths() {
    SCAUTHS=
    look "$DEFINITION"
    [[ $FOUND != none ]] || return 0
    SCAUTHS=$(kubectl get scauth -l "${OURS%%=*}!=${OURS#*=}" -o name) || fail "cannot list the ScAuths"
    SCAUTHS=${SCAUTHS//$'\n'/ }
}

refuse_a_foreign_scauth() {
    look_for_scauths
    [[ " $SCAUTHS " != *" scauth.sc-auth.io/sc-auth "* ]] ||
        fail "this cluster has a ScAuth sc-auth that make demo did not create: it stays as it is"
}

# Installs the operator, unless the cluster has one. What the demo creates, and only that, gets its label.
install_unless_there() {
    local object ours=()
    look_for_operators
    look "$OPERATOR" "${SYSTEM[@]}"
    if [[ -n $OPERATORS && $FOUND != "${OURS#*=}" ]]; then
        say "with the operator and the images of namespace $OPERATORS, which stay as they are"
        return 0
    fi
    [[ -z $SCAUTHS ]] || [[ -n $OPERATORS ]] ||
        fail "this cluster has no operator, and these ScAuths, which the operator of the demo would reconcile: $SCAUTHS"
    for object in "${CREATED[@]}"; do
        look "$object" "${SYSTEM[@]}"
        [[ $FOUND == unlabelled ]] || ours+=("$object")
    done
    images
    # Bash 3 of macOS does not expand an empty list.
    step "the operator" install_with ${ours[@]+"${ours[@]}"}
}

# install_with OBJECT… : installs the operator with the images of the demo, and labels these objects of it.
install_with() {
    local folder object
    # kustomize accepts only relative paths of bases.
    folder=$(mktemp -d "$ROOT/.demo.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$folder'" EXIT
    cat >"$folder/kustomization.yaml" <<YAML
resources: [../config/default]
images: [{name: registry.invalid/sc-auth-operator, newName: $REGISTRY/sc-auth-operator}]
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: sc-auth-operator, namespace: sc-auth-system}
      spec: {template: {spec: {containers: [{name: operator, env: [{name: SERVER_IMAGE, value: "$REGISTRY/sc-auth-server:$(version)"}]}]}}}
YAML
    kubectl apply -k "$folder"
    for object in "$@"; do
        kubectl label "$object" "${SYSTEM[@]}" "$OURS" --overwrite
    done
    kubectl wait --for condition=Established "$DEFINITION" --timeout 240s
    kubectl -n sc-auth-system rollout status "$OPERATOR" --timeout 240s
}

# Builds the images and brings them to the cluster, as IMAGES says; without it, REGISTRY has them already.
images() {
    local names=() name target context
    case ${IMAGES:-} in
    "") [[ -n ${REGISTRY:-} ]] || fail "CLUSTER=current needs the images: IMAGES=load:kind, load:minikube, load:k3d or push:REGISTRY builds them;
  REGISTRY=registry.example.com/team uses sc-auth-operator:$(version) and sc-auth-server:$(version), which you have pushed there" ;;
    push:?*) REGISTRY=${IMAGES#push:} ;;
    load:kind | load:minikube | load:k3d) REGISTRY=$EXAMPLE_REGISTRY ;;
    *) fail "IMAGES is $IMAGES: write load:kind, load:minikube, load:k3d or push:REGISTRY" ;;
    esac
    [[ -n ${IMAGES:-} ]] || return 0
    command -v docker >/dev/null || fail "docker is missing: IMAGES=$IMAGES builds the images with it"
    for target in server operator; do
        name=$REGISTRY/sc-auth-$target:$(version)
        names+=("$name")
        step "image $name" docker build --target "$target" -t "$name" "$ROOT"
    done
    context=$(kubectl config current-context)
    case $IMAGES in
    push:*)
        step "pushing the image of the server" docker push "${names[0]}"
        step "pushing the image of the operator" docker push "${names[1]}"
        ;;
    load:kind) step "loading the images" kind load docker-image --name "${context#kind-}" "${names[@]}" ;;
    load:minikube) step "loading the images" minikube --profile "$context" image load "${names[@]}" ;;
    load:k3d) step "loading the images" k3d image import --cluster "${context#k3d-}" "${names[@]}" ;;
    esac
}

# Deletes what has the label of the demo, and nothing else. The operator and the definition stay while they have other ScAuths.
remove() {
    local object
    refuse_a_foreign_scauth
    look "$DEFINITION"
    [[ $FOUND == none ]] || kubectl delete scauth -l "$OURS"
    delete_ours namespace/sc-auth
    if [[ -n $SCAUTHS ]]; then
        say "the operator and the definition stay: these ScAuths need them: $SCAUTHS"
        return 0
    fi
    for object in "${CREATED[@]}"; do
        delete_ours "$object" "${SYSTEM[@]}"
    done
}

delete_ours() {
    look "$@"
    case $FOUND in
    "${OURS#*=}") kubectl delete "$@" ;;
    none) ;;
    *) say "$1 stays: make demo did not create it" ;;
    esac
}

# has_ingress : whether the host name of the demo answers at the address in the Ingress. A cluster without an ingress controller has none.
has_ingress() {
    [[ -n $(kubectl get ingressclass -o name 2>/dev/null) ]] || return 1
    kubectl wait --for condition=Exposed scauth/sc-auth --timeout 60s >/dev/null 2>&1 || return 1
    INGRESS=$(kubectl -n sc-auth get ingress sc-auth-ingress \
        -o jsonpath='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}')
    curl -s -o /dev/null --max-time 10 --connect-to "$HOST:80:$INGRESS:80" "http://$HOST/healthz"
}

# Forwards a free local port to the Service, until this script ends.
forward() {
    local log=$PRIVATE/forward
    kubectl -n sc-auth port-forward service/sc-auth-svc :8000 >"$log" 2>&1 &
    FORWARDER=$!
    wait_for 30 "the port is forwarded" grep -q '^Forwarding from 127' "$log"
    URL=http://localhost:$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$log")
}
