# Versions of the development cluster's parts; to be sourced. The go.mod files in tools/, and tools/envoy/requirements.txt, pin
# the same versions.
# shellcheck shell=bash disable=SC2034
KUBERNETES=v1.35.4
# Only for dev/compat: the oldest and the newest in docs/versions.md that some test runs on. Their modules are in folders of their own.
KUBERNETES_OLDEST=v1.34.4
KUBERNETES_NEWEST=v1.37.2
HELM=v3.20.2
ETCD=v3.6.6
COREDNS=v1.12.4
TRAEFIK=v3.6.12
# A proxy, for the tests only.
ENVOY=v1.40.0
# Logs users in, in front of web apps, for the tests only.
OAUTH2_PROXY=v7.15.6
METRICS_SERVER=v0.8.0
KUBE_ROUTER=v2.1.0
# Checks workflows.
ACTIONLINT=v1.7.12
# Signs a release, and the registry of a rehearsal.
COSIGN=v3.1.3
REGISTRY_SERVER=v3.1.2
# Later releases do not publish all parts as Go modules.
FLUX=v1.9.0
# The last commit of release 0.2.0, whose server the tests run beside this one.
RELEASE=4630267
# CustomResourceDefinitions of other projects, for tests with their objects.
GATEWAY_API=v1.4.0
CERT_MANAGER=v1.21.2
PROMETHEUS_OPERATOR=v0.85.0
flux_definitions_file() { echo "$CACHE/bin/flux-definitions-$FLUX.yaml"; }
traefik_definitions_file() { echo "$CACHE/bin/traefik-definitions-$TRAEFIK.yaml"; }
cert_manager_definitions_file() { echo "$CACHE/bin/cert-manager-definitions-$CERT_MANAGER.yaml"; }
definitions_file() { echo "$CACHE/bin/foreign-definitions-$GATEWAY_API-$PROMETHEUS_OPERATOR.yaml"; }
