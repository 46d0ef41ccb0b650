// Package gitops tests ScAuths with the libraries of Flux and Argo CD.
package gitops

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// A state is a ScAuth in one of the other tests, as the operator wrote it and the API server stored it.
type state struct {
	object *unstructured.Unstructured
	reason map[string]string
	status map[string]string
}

func (s state) String() string {
	return fmt.Sprintf("Ready=%s (%s), Stalled=%s", s.status["Ready"], s.reason["Ready"], s.status["Stalled"])
}

func newState(object *unstructured.Unstructured) state {
	s := state{object, map[string]string{}, map[string]string{}}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, item := range conditions {
		condition := item.(map[string]any)
		kind := condition["type"].(string)
		s.reason[kind], s.status[kind] = condition["reason"].(string), condition["status"].(string)
	}
	return s
}

// states reads the answers to all writes of a status by the operator, in the audit logs of the other tests' API servers: one
// for each combination of statuses and reasons.
func states(t *testing.T) []state {
	t.Helper()
	files := strings.Split(needed(t, "SCDEV_STATES"), ":")
	seen, found := map[string]bool{}, []state{}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			var event struct {
				RequestURI     string
				ObjectRef      struct{ Resource, Subresource string }
				ResponseObject json.RawMessage
			}
			if json.Unmarshal(lines.Bytes(), &event) != nil || event.ObjectRef.Resource != "scauths" ||
				event.ObjectRef.Subresource != "status" {
				continue
			}
			if !strings.Contains(event.RequestURI, "fieldManager=sc-auth-operator") {
				// A test has changed the status.
				continue
			}
			object := &unstructured.Unstructured{}
			if object.UnmarshalJSON(event.ResponseObject) != nil || object.GetKind() != "ScAuth" {
				// The write was refused.
				continue
			}
			if isLate(object) {
				continue
			}
			s := newState(object)
			key := fmt.Sprint(s.status, s.reason)
			if !seen[key] {
				seen[key] = true
				found = append(found, s)
			}
		}
		if lines.Err() != nil {
			t.Fatal(lines.Err())
		}
	}
	return found
}

// isLate returns whether a status was written just after an edit of its ScAuth: see TestKstatusOfANewGeneration.
func isLate(object *unstructured.Unstructured) bool {
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	return observed != object.GetGeneration()
}

// needed returns an environment variable of the development cluster.
func needed(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set. Run make test, which starts all that this needs.", name)
	}
	return value
}

// TestEveryReasonWasSeen compares the states with the documented reasons, so that the other tests in this file cover all of
// them.
func TestEveryReasonWasSeen(t *testing.T) {
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(page), "## Events")
	seen := map[string]bool{}
	for _, s := range states(t) {
		for _, reason := range s.reason {
			seen[reason] = true
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\|").FindAllStringSubmatch(text, -1) {
		for _, name := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row[1], -1) {
			if !seen[name[1]] {
				t.Errorf("no test has led to %s", name[1])
			}
		}
	}
}

// TestKstatus uses the library of Flux: a Ready ScAuth is Current; one that waits, rolls out or resizes its volume is
// InProgress; one that only a change of its spec can fix is Failed; one that is being deleted is Terminating.
func TestKstatus(t *testing.T) {
	for _, s := range states(t) {
		want := status.InProgressStatus
		switch {
		case s.object.GetDeletionTimestamp() != nil:
			want = status.TerminatingStatus
		case s.status["Stalled"] == "True":
			want = status.FailedStatus
		case s.status["Reconciling"] == "True":
			// Also while the pods serve and their volume is resized.
		case s.status["Ready"] == "True":
			want = status.CurrentStatus
		}
		result, err := status.Compute(s.object)
		if err != nil {
			t.Errorf("%v: %v", s, err)
		} else if result.Status != want {
			t.Errorf("%v is %s, not %s: %s", s, result.Status, want, result.Message)
		}
	}
}

// TestKstatusOfANewGeneration tests the moment before the operator has seen an edit.
func TestKstatusOfANewGeneration(t *testing.T) {
	for _, s := range states(t) {
		edited := s.object.DeepCopy()
		edited.SetGeneration(edited.GetGeneration() + 1)
		want := status.InProgressStatus
		if edited.GetDeletionTimestamp() != nil {
			want = status.TerminatingStatus
		}
		result, err := status.Compute(edited)
		if err != nil || result.Status != want {
			t.Errorf("%v, edited, is %v (%v)", s, result, err)
		}
		if health, _ := argoHealth(t, edited); health != "Progressing" {
			t.Errorf("%v, edited, is %s to Argo CD", s, health)
		}
	}
}

// TestArgoHealth runs the health check of config/argocd like Argo CD.
func TestArgoHealth(t *testing.T) {
	for _, s := range states(t) {
		want := "Progressing"
		switch {
		case s.status["Stalled"] == "True":
			want = "Degraded"
		case s.reason["Ready"] == "Suspended":
			want = "Suspended"
		case s.status["Ready"] == "True":
			want = "Healthy"
		}
		// The pods may serve although the spec has to change.
		reason := s.reason["Ready"]
		if s.status["Stalled"] == "True" {
			reason = s.reason["Stalled"]
		}
		health, message := argoHealth(t, s.object)
		if health != want || !strings.HasPrefix(message, reason+": ") {
			t.Errorf("%v is %s (%s), not %s", s, health, message, want)
		}
	}
	stored := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"generation": int64(1)}}}
	if health, _ := argoHealth(t, stored); health != "Progressing" {
		t.Errorf("one that no operator has seen is %s", health)
	}
}

// argoHealth returns status and message, from a Lua state with the libraries that Argo CD opens.
func argoHealth(t *testing.T, object *unstructured.Unstructured) (string, string) {
	t.Helper()
	text, err := os.ReadFile("../../config/argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Data map[string]string }
	if err := yaml.UnmarshalStrict(text, &map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	machine := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer machine.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		machine.Push(machine.NewFunction(open))
		machine.Push(lua.LString(name))
		machine.Call(1, 0)
	}
	machine.SetGlobal("obj", toLua(machine, object.Object))
	if err := machine.DoString(config.Data["resource.customizations.health.sc-auth.io_ScAuth"]); err != nil {
		t.Fatal(err)
	}
	result, ok := machine.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatal("the health check returns no table")
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

func toLua(machine *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := machine.NewTable()
		for name, field := range value {
			table.RawSetString(name, toLua(machine, field))
		}
		return table
	case []any:
		table := machine.NewTable()
		for _, item := range value {
			table.Append(toLua(machine, item))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	default:
		return lua.LNil
	}
}
