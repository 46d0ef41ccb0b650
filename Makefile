# Each rule calls a program or a script; see dev/ for what they do.
.PHONY: demo demo-down test crds

# A Kubernetes on this machine, the operator, one ScAuth, and a login through the ingress.
demo:
	@dev/demo

demo-down:
	@dev/cluster down

# Everything: unit tests, the API on three databases, and the whole in a real Kubernetes.
test:
	@dev/test

# The CustomResourceDefinition, after a change of operator/src/api.
crds:
	@dev/crds
