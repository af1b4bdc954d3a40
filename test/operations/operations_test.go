// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/ports"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

var env *harness.Env

// directory is where the commands of the pages run, and units what they start and stop.
// Both outlive the test: the server is stopped after it, and needs its etcd for that.
var (
	directory string
	units     *services
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "systemctl" {
		os.Exit(systemctl())
	}
	var err error
	if directory, err = os.MkdirTemp("", "operations-"); err != nil {
		println("making a directory: " + err.Error())
		os.Exit(1)
	}
	// Nobody else uses the server: there is nothing to wait for when it stops.
	options := harness.Options{ServerArgs: []string{"--shutdown-delay-duration=0s"}}
	code := harness.Main(m, options, func(e *harness.Env) { env = e })
	if err := units.end(); err != nil {
		println("ending the members: " + err.Error())
		code = 1
	}
	if code == 0 {
		_ = os.RemoveAll(directory)
	}
	os.Exit(code)
}

// machine is where the commands of the pages run.
type machine struct {
	t         *testing.T
	ns        *harness.Space
	dir       string
	variables []string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	root, err := binaries.FindRoot(".")
	require.NoError(t, err)
	dir := directory
	s := &services{ctx: t.Context(), env: env, arguments: filepath.Join(dir, "arguments"), members: map[string]*member{}}
	require.NoError(t, os.WriteFile(s.arguments, nil, 0o600))
	units = s
	m := &machine{t: t, ns: env.Space(t), dir: dir}
	m.variables = append(os.Environ(), m.addMembers(s, root.Bin("sandbox-apiserver"))...)
	m.variables = append(m.variables,
		"PATH="+tools(t, root.Join("bin"))+":"+os.Getenv("PATH"),
		"KUBECONFIG="+env.Cluster.Kubeconfig(),
		"DATA_DIR="+env.Cluster.Server.DataDir(),
		"ARGUMENTS="+s.arguments,
		"CERT_DIR="+filepath.Join(dir, "certificates"),
		"CONFIG="+filepath.Join(dir, "encryption.yaml"),
		systemctlEnv+"="+s.listen(t),
	)
	return m
}

// addMembers describes three members on loopback and returns the variables of the pages.
func (m *machine) addMembers(s *services, program string) []string {
	m.t.Helper()
	free, err := ports.Free(m.t.Context(), 9)
	require.NoError(m.t, err)
	var peers, clients []string
	for i := range 3 {
		peers = append(peers, fmt.Sprintf("sandbox-etcd-%d=https://127.0.0.1:%d", i, free[3*i]))
		clients = append(clients, fmt.Sprintf("https://127.0.0.1:%d", free[3*i+1]))
	}
	cluster, data := strings.Join(peers, ","), filepath.Join(m.dir, "etcd")
	for i := range 3 {
		own := filepath.Join(data, strconv.Itoa(i))
		require.NoError(m.t, os.MkdirAll(own, 0o700))
		s.members[fmt.Sprintf("sandbox-etcd@%d", i)] = &member{log: own + ".log", command: []string{
			program, "etcd", fmt.Sprintf("--name=sandbox-etcd-%d", i), "--data-dir=" + own, "--initial-cluster=" + cluster,
			"--listen-address=127.0.0.1", fmt.Sprintf("--peer-port=%d", free[3*i]), fmt.Sprintf("--client-port=%d", free[3*i+1]),
			fmt.Sprintf("--health-port=%d", free[3*i+2]), "--certificate-dir=" + filepath.Join(own, "tls"),
			"--kubeconfig=" + env.Cluster.Kubeconfig(),
		}}
	}
	return []string{
		"ETCD_CLUSTER=" + cluster, "ETCD_DATA=" + data, "ETCD_SERVERS=" + strings.Join(clients, ","),
		fmt.Sprintf("ETCD_HEALTH=http://127.0.0.1:%d", free[8]),
	}
}

// run does what a section of a page says, with more variables, and returns what it printed.
func (m *machine) run(name, section string, variables ...string) string {
	m.t.Helper()
	shell := exec.CommandContext(m.t.Context(), "bash", "-euo", "pipefail", "-c", readPage(m.t, name).scripts(m.t, section))
	shell.Dir, shell.Env = m.dir, slices.Concat(m.variables, variables)
	out, err := shell.CombinedOutput()
	require.NoError(m.t, err, "%s, %s:\n%s", name, section, out)
	m.t.Logf("%s, %s:\n%s", name, section, out)
	return string(out)
}

func (m *machine) backup(name string) string { return "BACKUP=" + filepath.Join(m.dir, name) }

// identities are the UIDs of what must survive everything, and of the Pods behind.
func (m *machine) identities() map[string]types.UID {
	m.t.Helper()
	found := map[string]types.UID{}
	add := func(kind string, o metav1.Object) { found[kind+"/"+o.GetName()] = o.GetUID() }
	ctx, client := m.t.Context(), env.Client.SandboxV1beta1()
	sandboxes, err := client.Sandboxes(m.ns.Name).List(ctx, metav1.ListOptions{})
	require.NoError(m.t, err)
	for i := range sandboxes.Items {
		add("sandbox", &sandboxes.Items[i])
		add("pod", m.ns.Pod(sandboxes.Items[i].Name))
	}
	claims, err := client.SandboxClaims(m.ns.Name).List(ctx, metav1.ListOptions{})
	require.NoError(m.t, err)
	for i := range claims.Items {
		add("claim", &claims.Items[i])
	}
	pools, err := client.SandboxWarmPools(m.ns.Name).List(ctx, metav1.ListOptions{})
	require.NoError(m.t, err)
	for i := range pools.Items {
		add("pool", &pools.Items[i])
	}
	templates, err := client.SandboxTemplates(m.ns.Name).List(ctx, metav1.ListOptions{})
	require.NoError(m.t, err)
	for i := range templates.Items {
		add("template", &templates.Items[i])
	}
	return found
}

// TestOperations goes through the life of an installation, page by page.
func TestOperations(t *testing.T) {
	m := newMachine(t)
	populate(m)
	t.Run("embedded", func(t *testing.T) { restoreEmbedded(t, m) })
	t.Run("encryption", func(t *testing.T) { encrypt(t, m) })
	t.Run("to external", func(t *testing.T) { moveToExternal(t, m) })
	t.Run("external", func(t *testing.T) { restoreExternal(t, m) })
}

func populate(m *machine) {
	m.t.Helper()
	m.ns.Create(harness.Sandbox("dev", harness.WithDisk("data")))
	m.ns.WaitReady("dev")
	const objects = `
apiVersion: sandbox.agents.x-k8s.io/v1beta1
kind: SandboxTemplate
metadata: {name: python}
spec: {podTemplate: {spec: {containers: [{name: main, image: python}]}}}
---
apiVersion: sandbox.agents.x-k8s.io/v1beta1
kind: SandboxWarmPool
metadata: {name: python}
spec: {replicas: 2, sandboxTemplateRef: {name: python}}
---
apiVersion: sandbox.agents.x-k8s.io/v1beta1
kind: SandboxClaim
metadata: {name: mine}
spec: {warmPoolRef: {name: python}}
`
	_, err := env.Cluster.Kubectl(m.t.Context(), objects, "apply", "-n", m.ns.Name, "-f", "-")
	require.NoError(m.t, err)
	m.settle()
}

// settle waits until the pool is full and every Sandbox has its Pod.
func (m *machine) settle() {
	m.t.Helper()
	m.ns.Eventually("the pool is full and all Pods are there", func() error {
		pool, err := m.ns.Pools().Get(m.t.Context(), "python", metav1.GetOptions{})
		if err != nil || pool.Status.Replicas != 2 || pool.Status.ReadyReplicas != 2 {
			return fmt.Errorf("%d of %d Ready: %w", pool.Status.ReadyReplicas, pool.Status.Replicas, err)
		}
		list, err := m.ns.Sandboxes().List(m.t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if _, err := m.ns.Pods().Get(m.t.Context(), list.Items[i].Name, metav1.GetOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// claim draws a Sandbox of the pool, and waits until its Pod says so.
func (m *machine) claim(name string) (sandbox string) {
	m.t.Helper()
	claim, err := m.ns.Claims().Create(m.t.Context(), harness.Claim(name, "python"), metav1.CreateOptions{})
	require.NoError(m.t, err)
	require.NotNil(m.t, claim.Status.Sandbox)
	require.Equal(m.t, v1beta1.LaunchWarm, claim.Status.Sandbox.LaunchType)
	sandbox = claim.Status.Sandbox.Name
	m.ns.Eventually("the Pod says who uses it", func() error {
		if by := m.ns.Pod(sandbox).Labels[v1beta1.ClaimLabel]; by != name {
			return fmt.Errorf("used by %q", by)
		}
		return nil
	})
	return sandbox
}

// members are the Sandboxes of the pool that nobody has claimed.
func (m *machine) members() []string {
	m.t.Helper()
	list, err := m.ns.Sandboxes().List(m.t.Context(), metav1.ListOptions{LabelSelector: v1beta1.WarmPoolLabel + ",!" + v1beta1.ClaimLabel})
	require.NoError(m.t, err)
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

// remain says that all of these are there, as they were.
func (m *machine) remain(before map[string]types.UID) {
	m.t.Helper()
	found := m.identities()
	for name, uid := range before {
		assert.Equal(m.t, uid, found[name], name)
	}
}

func restoreEmbedded(t *testing.T, m *machine) {
	t.Helper()
	before, old := m.identities(), m.members()
	m.run("backup-and-restore.md", "Save the embedded etcd", m.backup("embedded.db"))
	m.ns.Create(harness.Sandbox("later"))
	used := m.claim("late")
	m.run("backup-and-restore.md", "Restore the embedded etcd", m.backup("embedded.db"))
	m.settle()
	m.remain(before)
	_, err := m.ns.Sandboxes().Get(t.Context(), "later", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
	assert.Regexp(t, `^defragmented unix://.*\ndisarmed: 0 alarms\n$`, m.run("etcd.md", "A full embedded database"))
	// What nobody has claimed since goes, what somebody has stays.
	out := m.run("backup-and-restore.md", "Pools")
	require.Len(t, old, 2)
	unused := old[0]
	if unused == used {
		unused = old[1]
	}
	for _, line := range []string{m.ns.Name + " " + used + " late\n", m.ns.Name + " " + unused + " -\n"} {
		assert.Contains(t, out, line)
	}
	assert.Len(t, regexp.MustCompile(`(?m)^`+m.ns.Name+` `).FindAllString(out, -1), 2, "the new ones are not withheld")
	m.ns.WaitGone("what nobody used", m.ns.GetPod(unused))
	m.ns.WaitGone("its Sandbox", m.ns.GetSandbox(unused))
	assert.Equal(t, before["pod/"+used], m.ns.Pod(used).UID)
	assert.Equal(t, "late", m.ns.Pod(used).Labels[v1beta1.ClaimLabel])
}

func encrypt(t *testing.T, m *machine) {
	t.Helper()
	const name = "encryption-at-rest.md"
	before := m.identities()
	m.run(name, "Turn it on")
	assert.Regexp(t, `\d+ plain\n`, m.run(name, "Verify", m.backup("plain.db")))
	m.run(name, "Rewrite every object")
	assert.Regexp(t, `\n\d+ k8s:enc:secretbox:v1:key1\n$`, m.run(name, "Verify", m.backup("key1.db")))
	m.run(name, "Rotate the key")
	m.run(name, "Rewrite every object")
	counted := m.run(name, "Verify", m.backup("key2.db"))
	assert.Regexp(t, `\n\d+ k8s:enc:secretbox:v1:key2\n$`, counted)
	for _, gone := range []string{"key1", "plain"} {
		assert.NotRegexp(t, `\n\d+ .*`+gone+`\n`, counted)
	}
	m.run(name, "Remove the old key")
	assert.Equal(t, before, m.identities())
}

func moveToExternal(t *testing.T, m *machine) {
	t.Helper()
	letServerReadAuthority(t)
	before := m.identities()
	out := m.run("embedded-to-external.md", "Move", m.backup("move.db"))
	assert.Contains(t, out, "sandbox.sandbox.agents.x-k8s.io/dev")
	assert.Equal(t, before, m.identities())
	m.ns.Create(harness.Sandbox("external"))
	m.ns.WaitReady("external")
	assert.Contains(t, before, "sandbox/"+m.claim("moved"), "nothing was lost, so nothing more is withheld")
	m.settle()
}

func restoreExternal(t *testing.T, m *machine) {
	t.Helper()
	before := m.identities()
	m.run("backup-and-restore.md", "Save an external etcd", m.backup("external.db"))
	m.ns.Create(harness.Sandbox("even-later"))
	m.run("backup-and-restore.md", "Restore an external etcd", m.backup("external.db"))
	m.settle()
	m.remain(before)
	_, err := m.ns.Sandboxes().Get(t.Context(), "even-later", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
	assert.Regexp(t, `^(defragmented https://.*\n){3}disarmed: 0 alarms\n$`, m.run("etcd.md", "A full database"))
}

// letServerReadAuthority is what artifacts/ha grants beyond artifacts/base.
func letServerReadAuthority(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"create", "role", "etcd-client", "-n", local.SystemNamespace, "--verb=get,list,watch,create,update", "--resource=secrets"},
		{"create", "rolebinding", "etcd-client", "-n", local.SystemNamespace, "--role=etcd-client", "--serviceaccount=" + local.SystemNamespace + ":sandbox-apiserver"},
	} {
		_, err := env.Cluster.Kubectl(t.Context(), "", args...)
		require.NoError(t, err)
	}
}
