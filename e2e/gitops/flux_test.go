package gitops

import (
	"bytes"
	"context"
	"fmt"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// repository is a Git repository with a folder of manifests, and its address for Flux.
type repository struct {
	folder, url string
}

// newRepository serves a repository with Git's own HTTP server.
func newRepository(t *testing.T) repository {
	t.Helper()
	folder := t.TempDir()
	output(t, "git", "init", "-q", "-b", "main", folder)
	home := strings.TrimSpace(string(output(t, "git", "--exec-path")))
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(home, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + folder, "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(server.Close)
	return repository{folder, server.URL + "/.git"}
}

// commit replaces all manifests.
func (r repository) commit(t *testing.T, manifests map[string]string) {
	t.Helper()
	folder := filepath.Join(r.folder, "auth")
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range manifests {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := []string{"-C", r.folder, "-c", "user.name=test", "-c", "user.email=test@example.com"}
	output(t, "git", append(git, "add", "-A")...)
	output(t, "git", append(git, "commit", "-q", "--allow-empty", "-m", "change")...)
}

// start runs one of Flux' controllers until the test ends. If it exits, it is restarted, as in Kubernetes: it exits while
// the API server does not yet list all of its new kinds.
func start(t *testing.T, program string, arguments ...string) {
	t.Helper()
	log := &bytes.Buffer{}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 10 {
			command := exec.CommandContext(ctx, program, arguments...)
			command.Env = append(os.Environ(), "RUNTIME_NAMESPACE=flux-system")
			command.Stdout, command.Stderr = log, log
			command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
			err := command.Run()
			if ctx.Err() != nil {
				return
			}
			fmt.Fprintf(log, "it has ended: %v\n", err)
			time.Sleep(time.Second)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(filepath.Dir(program)), troubles(log.String()))
		}
	})
}

// troubles returns the last lines of a log with errors, without those at the end of every run.
func troubles(log string) string {
	lines := []string{}
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"level":"info"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-10):], "")
}

func apply(t *testing.T, text string) {
	t.Helper()
	command := exec.Command("kubectl", "apply", "-f", "-")
	command.Stdin = strings.NewReader(text)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

// eventually fails if the condition does not hold within two minutes, and prints the logs of Flux and the operator.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	started := time.Now()
	for time.Since(started) < 2*time.Minute {
		if holds() {
			t.Logf("%s, after %.0f s", what, time.Since(started).Seconds())
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Fatalf("not within two minutes: %s\n%s\n%s\n%s", what,
		output(t, "kubectl", "-n", "flux-system", "get", "gitrepository,kustomization", "-o", "wide"),
		output(t, "kubectl", "get", "scauth", "-o", "wide"),
		output(t, "kubectl", "get", "pods", "-A", "-o", "wide"))
}

const flux = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: tenants, namespace: flux-system}
spec: {interval: 5s, url: %q, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: tenants, namespace: flux-system}
spec:
  interval: 10m
  retryInterval: 5s
  sourceRef: {kind: GitRepository, name: tenants}
  path: ./auth
  prune: true
  wait: true
  timeout: 30s
`

func scauth(name, database string) string {
	return fmt.Sprintf("apiVersion: sc-auth.io/v1alpha1\nkind: ScAuth\nmetadata: {name: %s}\nspec: {database: %s}\n", name, database)
}

// isReady returns whether Flux reports the newest commit as applied and healthy.
func isReady(t *testing.T, r repository) bool {
	t.Helper()
	head := strings.TrimSpace(string(output(t, "git", "-C", r.folder, "rev-parse", "HEAD")))
	said := string(output(t, "kubectl", "-n", "flux-system", "get", "kustomization", "tenants", "-o",
		`jsonpath={.status.lastAppliedRevision} {.status.conditions[?(@.type=="Ready")].status}`))
	return strings.HasSuffix(said, head+" True")
}

func exists(t *testing.T, kind, name string) bool {
	t.Helper()
	return len(output(t, "kubectl", "get", kind, name, "--ignore-not-found", "-o", "name")) > 0
}

// define applies the definitions in a file, and waits until the API server lists their kinds: clients that start before
// do not know them.
func define(t *testing.T, file string) {
	t.Helper()
	output(t, "kubectl", "apply", "--server-side", "-f", file)
	output(t, "kubectl", "wait", "--for=condition=Established", "--timeout=120s", "-f", file)
	for _, name := range strings.Fields(string(output(t, "kubectl", "get", "-f", file, "-o", "name"))) {
		kind := name[strings.Index(name, "/")+1:]
		eventually(t, kind+" can be listed", func() bool {
			return exec.Command("kubectl", "get", kind, "--all-namespaces").Run() == nil
		})
	}
}

// TestFlux runs Flux' own controllers: they apply the objects in Git, wait for them, and prune removed ones.
func TestFlux(t *testing.T) {
	t.Parallel()
	apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}")
	define(t, needed(t, "SCDEV_FLUX_CRDS"))
	t.Cleanup(func() { output(t, "kubectl", "delete", "namespace", "flux-system", "--timeout=60s") })
	common := []string{"--enable-leader-election=false", "--watch-all-namespaces", "--events-addr="}
	start(t, needed(t, "SCDEV_FLUX_SOURCE"), append(common, "--storage-path="+t.TempDir(), "--storage-addr=127.0.0.1:19790",
		"--storage-adv-addr=127.0.0.1:19790", "--metrics-addr=127.0.0.1:19791", "--health-addr=127.0.0.1:19792")...)
	start(t, needed(t, "SCDEV_FLUX_KUSTOMIZE"), append(common, "--metrics-addr=127.0.0.1:19793", "--health-addr=127.0.0.1:19794")...)

	// While the controllers run, which remove their finalizers.
	t.Cleanup(func() {
		output(t, "kubectl", "-n", "flux-system", "delete", "kustomization,gitrepository", "--all", "--timeout=60s")
	})

	r := newRepository(t)
	good := scauth("e2e-flux", "{embedded: {}}")
	r.commit(t, map[string]string{"good.yaml": good})
	apply(t, fmt.Sprintf(flux, r.url))
	eventually(t, "a ScAuth of Git is Ready", func() bool { return isReady(t, r) })
	ready := output(t, "kubectl", "get", "scauth", "e2e-flux", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	if string(ready) != "True" {
		t.Fatalf("Flux did not wait: Ready is %s", ready)
	}

	// A ScAuth that waits for its Secret prevents the commit from being healthy.
	waiting := scauth("e2e-flux-waits", "{external: {urlFrom: {name: none, key: uri}}}")
	r.commit(t, map[string]string{"good.yaml": good, "waiting.yaml": waiting})
	eventually(t, "the second one is applied", func() bool { return exists(t, "scauth", "e2e-flux-waits") })
	eventually(t, "Flux has waited in vain", func() bool {
		said := output(t, "kubectl", "-n", "flux-system", "get", "kustomization", "tenants", "-o",
			`jsonpath={.status.conditions[?(@.type=="Ready")].reason}`)
		return string(said) == "HealthCheckFailed"
	})

	r.commit(t, map[string]string{"good.yaml": good})
	eventually(t, "without it all is well again", func() bool { return isReady(t, r) })
	if exists(t, "scauth", "e2e-flux-waits") {
		t.Fatal("it was not pruned")
	}
	// Flux treats an empty folder as an error.
	other := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: flux-system}\n"
	r.commit(t, map[string]string{"other.yaml": other})
	eventually(t, "an empty Git prunes the rest", func() bool { return !exists(t, "scauth", "e2e-flux") })
	if !exists(t, "namespace", "e2e-flux") {
		t.Fatal("deletionPolicy is Retain: the namespace stays")
	}
	for _, name := range []string{"e2e-flux", "e2e-flux-waits"} {
		output(t, "kubectl", "delete", "namespace", name, "--wait=false")
	}
}
