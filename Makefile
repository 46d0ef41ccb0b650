# Each rule calls a program or a script; see dev/ for what they do.
.PHONY: demo demo-down test bench generated

# A Kubernetes on this machine, the operator, one ScAuth, and a login through the ingress. In a cluster of one's own:
# make demo CLUSTER=current REGISTRY=registry.example.com/team, with KUBECONFIG set.
demo:
	@dev/demo

demo-down:
	@dev/demo down

# Everything: unit tests, the API on three databases, and the whole in a real Kubernetes.
test:
	@dev/test

# What the server does with half a core and 128 MiB, as a table; never part of the tests.
bench:
	@dev/bench

# The CustomResourceDefinition, the copies in the chart, the pages of reference and the picture.
generated:
	@dev/generated
