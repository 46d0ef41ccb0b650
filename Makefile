# Each rule calls a program or a script; see dev/ for what they do.
.PHONY: test crds cluster cluster-down

# Everything: unit tests, the API on three databases, and a real Kubernetes.
test:
	@dev/test

# The CustomResourceDefinition, after a change of operator/src/api.
crds:
	@dev/crds

# A one-node Kubernetes on this machine, to try things in.
cluster:
	@dev/cluster up

cluster-down:
	@dev/cluster down
