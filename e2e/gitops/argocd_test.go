package gitops

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The annotation that marks the objects of this Argo CD.
const mark = "e2e.sc-auth.io/argocd"

// argo is Argo CD's engine, with its cache of the cluster.
type argo struct {
	engine engine.GitOpsEngine
	cache  cache.ClusterCache
}

func newArgo(t *testing.T) argo {
	t.Helper()
	return newArgoTracking(t, func(object *unstructured.Unstructured) string { return object.GetAnnotations()[mark] })
}

// newArgoTracking returns an Argo CD that takes an object for a part of the application that app returns.
func newArgoTracking(t *testing.T, app func(*unstructured.Unstructured) string) argo {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", needed(t, "KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst, config.WarningHandler = 200, 400, rest.NoWarnings{}
	quiet := logr.Discard()
	known := cache.NewClusterCache(config, cache.SetLogr(quiet), cache.SetPopulateResourceInfoHandler(
		func(object *unstructured.Unstructured, _ bool) (any, bool) {
			name := app(object)
			return name, name != ""
		}))
	running := engine.NewEngine(config, known, engine.WithLogr(quiet))
	stop, err := running.Run()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return argo{running, known}
}

func managedBy(app string) func(*cache.Resource) bool {
	return func(resource *cache.Resource) bool { return resource.Info == app }
}

// read returns the objects in a text, marked as the app's.
func read(t *testing.T, app string, text []byte) []*unstructured.Unstructured {
	t.Helper()
	objects, err := kube.SplitYAML(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[mark] = app
		object.SetAnnotations(annotations)
	}
	return objects
}

func (a argo) sync(t *testing.T, app string, objects []*unstructured.Unstructured, options ...sync.SyncOpt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	options = append(options, sync.WithPrune(true), sync.WithLogr(logr.Discard()))
	results, err := a.engine.Sync(ctx, objects, managedBy(app), "HEAD", "default", options...)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if result.Status != "Synced" && result.Status != "Pruned" {
			t.Fatalf("%v: %s: %s", result.ResourceKey, result.Status, result.Message)
		}
	}
}

// differences names the objects that Argo CD would report as OutOfSync.
func (a argo) differences(t *testing.T, app string, objects []*unstructured.Unstructured) []string {
	t.Helper()
	live, err := a.cache.GetManagedLiveObjs(objects, managedBy(app))
	if err != nil {
		t.Fatal(err)
	}
	both := sync.Reconcile(objects, live, "default", a.cache)
	found, err := diff.DiffArray(both.Target, both.Live, diff.WithLogr(logr.Discard()))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for i, one := range found.Diffs {
		if !one.Modified {
			continue
		}
		name := "an object that Git does not have"
		if both.Target[i] != nil {
			name = both.Target[i].GetKind() + " " + both.Target[i].GetName()
		}
		names = append(names, name+"\n  as stored:  "+string(one.NormalizedLive)+"\n  as in Git:  "+string(one.PredictedLive))
	}
	return names
}

// stays fails if any object is OutOfSync after a sync, once the operator has reconciled.
func (a argo) stays(t *testing.T, app string, objects []*unstructured.Unstructured) {
	t.Helper()
	// The cache is updated by a watch.
	for range 20 {
		if len(a.differences(t, app, objects)) == 0 {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	for range 3 {
		for _, name := range a.differences(t, app, objects) {
			t.Fatalf("%s is OutOfSync after a sync: %s", app, name)
		}
		time.Sleep(time.Second)
	}
}

func output(t *testing.T, program string, arguments ...string) []byte {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", program, arguments, err)
	}
	return text
}

var ways = map[string][]sync.SyncOpt{
	"client-side apply": {sync.WithServerSideApply(false)},
	"server-side apply": {sync.WithServerSideApply(true), sync.WithServerSideApplyManager("argocd-controller")},
}

// uninstall removes the operator, regardless of how it was installed.
func uninstall(t *testing.T) {
	t.Helper()
	output(t, "kubectl", "delete", "-k", "../../config/overlay", "--ignore-not-found", "--timeout=120s")
}

// TestArgoSeesTheInstallAsItIs detects permanent diffs: a definition or a default that the API server stores differently
// from Git.
func TestArgoSeesTheInstallAsItIs(t *testing.T) {
	installs := map[string][]byte{
		"kustomize": output(t, "kubectl", "kustomize", "../../config/overlay"),
		"helm": output(t, "helm", "template", "sc-auth-operator", "../../charts/sc-auth-operator", "--namespace", "sc-auth-system",
			"--set", "image.repository=registry.example.com/sc-auth-operator", "--set", "serverImage.repository=registry.example.com/sc-auth-server"),
	}
	t.Cleanup(func() {
		uninstall(t)
		output(t, "kubectl", "apply", "-k", "../../config/overlay")
		output(t, "kubectl", "rollout", "status", "deployment/sc-auth-operator", "-n", "sc-auth-system", "--timeout=120s")
	})
	for app, text := range installs {
		// The two Deployments have different selectors.
		uninstall(t)
		if app == "helm" {
			output(t, "kubectl", "create", "namespace", "sc-auth-system")
		}
		for way, options := range ways {
			t.Run(app+", "+way, func(t *testing.T) {
				a := newArgo(t)
				objects := read(t, app, text)
				a.sync(t, app, objects, options...)
				a.stays(t, app, objects)
			})
		}
	}
}

// isAbsent returns whether the development cluster lacks the operator for an object.
func isAbsent(object *unstructured.Unstructured) bool {
	return slices.Contains([]string{"postgresql.cnpg.io", "k8s.mariadb.com"}, object.GroupVersionKind().Group)
}

// TestArgoSeesEachSampleAsItIs is the same test for the samples.
func TestArgoSeesEachSampleAsItIs(t *testing.T) {
	t.Parallel()
	define(t, needed(t, "SCDEV_CERT_MANAGER_CRDS"))
	samples, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil || len(samples) == 0 {
		t.Fatal("no samples", err)
	}
	for _, sample := range samples {
		text, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		app := filepath.Base(sample)
		a := newArgo(t)
		objects := slices.DeleteFunc(read(t, app, text), isAbsent)
		for way, options := range ways {
			t.Run(app+", "+way, func(t *testing.T) {
				a.sync(t, app, objects, options...)
				a.stays(t, app, objects)
			})
		}
		// An empty repository prunes everything.
		a.sync(t, app, nil)
	}
}

// The label by which Argo CD before 3.0 tracks the objects of an application.
const trackingLabel = "app.kubernetes.io/instance"

// TestArgoWithLabelTrackingLeavesWhatIsRetained removes a ScAuth from Git, in an application that has its name.
func TestArgoWithLabelTrackingLeavesWhatIsRetained(t *testing.T) {
	t.Parallel()
	const name = "e2e-argo-labels"
	t.Cleanup(func() {
		output(t, "kubectl", "delete", "scauth", name, "--ignore-not-found", "--timeout=120s")
		output(t, "kubectl", "delete", "namespace", name, "--ignore-not-found", "--timeout=120s")
	})
	object := &unstructured.Unstructured{}
	object.SetUnstructuredContent(map[string]any{
		"apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth",
		"metadata": map[string]any{"name": name, "labels": map[string]any{trackingLabel: name}},
		"spec":     map[string]any{"database": map[string]any{"embedded": map[string]any{}}},
	})
	a := newArgoTracking(t, func(object *unstructured.Unstructured) string { return object.GetLabels()[trackingLabel] })
	a.sync(t, name, []*unstructured.Unstructured{object}, ways["server-side apply"]...)
	output(t, "kubectl", "wait", "scauth", name, "--for=condition=Ready", "--timeout=240s")

	a.sync(t, name, nil)
	output(t, "kubectl", "wait", "scauth", name, "--for=delete", "--timeout=120s")
	// A second sync, after the cache has seen everything.
	a.sync(t, name, nil)
	for _, retained := range []string{"namespace/" + name, "pvc/" + name + "-data", "secret/" + name + "-secret", "secret/" + name + "-admin"} {
		deleted := output(t, "kubectl", "get", retained, "--namespace", name, "--output", "jsonpath={.metadata.deletionTimestamp}")
		if len(deleted) > 0 {
			t.Errorf("Argo CD prunes %s", retained)
		}
	}
}
