# Each rule calls a program or a script; see dev/ for what they do.
.PHONY: check clean-cache compat demo demo-down test bench generated release-rehearsal

# A Kubernetes on this machine, the operator, one ScAuth, and a login through the ingress. In the cluster of kubectl's current context:
# make demo CLUSTER=current IMAGES=load:kind; dev/demo has the other ways.
demo:
	@dev/demo

demo-down:
	@dev/demo down

# Deletes everything that the demo, the tests and the benchmarks downloaded and built.
clean-cache:
	@dev/clean-cache

# Format, lints, unit tests and scripts; no root, about a minute.
check:
	@dev/check

# All tests: unit tests, the API on four databases, and the whole system in a real Kubernetes.
test:
	@dev/test

# The operator's tests that need only an API server, on the oldest and the newest supported Kubernetes; not part of the tests.
compat:
	@dev/compat

# Benchmarks of the server with half a core and 128 MiB, as a table; not part of the tests.
bench:
	@dev/bench

# Writes the CustomResourceDefinition, the copies in the chart, the reference pages and the picture.
generated:
	@dev/generated

# Pushes, signs and verifies a release in a registry on this machine, and installs it in the development cluster from there.
release-rehearsal:
	@dev/release/rehearse
