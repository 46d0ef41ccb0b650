# The cluster's network: a separate network namespace, so that its bridge and thousand iptables rules are deleted with it.
# shellcheck shell=bash

NETNS=${NETNS:-sc-auth-dev}
LINK=${LINK:-scdev0}
HOST_IP=${HOST_IP:-10.84.0.1} # this machine, as the cluster sees it
NODE_IP=${NODE_IP:-10.84.0.2} # the node, as this machine sees it
PODS=10.85.0.0/16
SERVICES=10.96.0.0/16

# Prefix that runs a command in the namespace. `ip netns exec` would hide the cgroups.
INSIDE=(nsenter "--net=/run/netns/$NETNS" --)

network_up() {
    ip netns add "$NETNS"
    ip link add "$LINK" type veth peer name eth0 netns "$NETNS"
    ip addr add "$HOST_IP/30" dev "$LINK"
    ip link set "$LINK" up
    "${INSIDE[@]}" ip addr add "$NODE_IP/30" dev eth0
    "${INSIDE[@]}" ip link set eth0 up
    "${INSIDE[@]}" ip link set lo up
    "${INSIDE[@]}" ip route add default via "$HOST_IP"
    "${INSIDE[@]}" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# Routes from this machine to pods and Services.
routes_up() {
    ip route add $PODS via "$NODE_IP"
    ip route add $SERVICES via "$NODE_IP"
}

network_down() {
    ip netns del "$NETNS" 2>/dev/null || true
    ip link del "$LINK" 2>/dev/null || true
}
