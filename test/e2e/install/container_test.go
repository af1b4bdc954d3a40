// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// tokenDir is where a Pod finds who it is.
const tokenDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// container is a process that sees what the only container of a Pod would see: a root with
// the binary, its volumes, and nothing it could write to but those.
type container struct {
	t    *testing.T
	pod  string
	spec corev1.PodSpec
	// root is the directory that it takes for /.
	root string
	// address is a loopback address that nobody else uses.
	address string
	log     string
	process *exec.Cmd
	ended   chan error
	unmount []func() error
}

// pod says which Pod of a workload a container stands for.
type pod struct {
	name    string
	address string
	spec    corev1.PodSpec
	// volumes are directories by the names of mounts; what is in them stays.
	volumes map[string]string
	// hosts are lines of /etc/hosts.
	hosts []string
	// token and authority are its ServiceAccount's.
	token, authority []byte
}

// needRoot skips what only the superuser may set up.
func needRoot(t *testing.T) {
	t.Helper()
	// A directory cannot be executed: any other error comes from what precedes that.
	probe := &exec.Cmd{Path: "/", SysProcAttr: &syscall.SysProcAttr{Chroot: t.TempDir(), Credential: &syscall.Credential{Uid: 1, Gid: 1}}}
	if err := probe.Start(); errors.Is(err, syscall.EPERM) {
		t.Skipf("SKIPPED: a process in an empty root, as another user, may not be started here: %v", err)
	}
}

// newContainer lays out the root. The binary is the one that goes into the image.
func newContainer(t *testing.T, p pod) *container {
	t.Helper()
	c := &container{t: t, pod: p.name, spec: p.spec, address: p.address, root: filepath.Join(shortDir(t), "root")}
	c.log = filepath.Join(filepath.Dir(c.root), p.name+".log")
	c.file("/sandbox-apiserver", readStatic(t), 0o555)
	c.file("/etc/hosts", []byte("127.0.0.1 localhost\n"+strings.Join(p.hosts, "\n")+"\n"), 0o444)
	if p.token != nil {
		c.file(tokenDir+"/token", p.token, 0o444)
		c.file(tokenDir+"/ca.crt", p.authority, 0o444)
		c.file(tokenDir+"/namespace", []byte(namespace), 0o444)
	}
	for _, mount := range p.spec.Containers[0].VolumeMounts {
		c.mount(mount, p.volumes[mount.Name])
	}
	return c
}

// mount puts a volume into the root: one of the outside, to which it goes back in the end,
// or a new one.
func (c *container) mount(mount corev1.VolumeMount, outside string) {
	c.t.Helper()
	inside, user := filepath.Join(c.root, mount.MountPath), int(*c.spec.SecurityContext.RunAsUser)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(inside), 0o755))
	if outside == "" {
		require.NoError(c.t, os.Mkdir(inside, 0o755))
	} else {
		require.NoError(c.t, os.Rename(outside, inside))
		c.unmount = append(c.unmount, func() error { return os.Rename(inside, outside) })
	}
	require.NoError(c.t, os.Chown(inside, user, user))
}

// remove gives the volumes back and forgets the rest, as the deletion of a Pod does.
func (c *container) remove() {
	c.t.Helper()
	for _, unmount := range c.unmount {
		require.NoError(c.t, unmount())
	}
	require.NoError(c.t, os.RemoveAll(c.root))
}

// shortDir is t.TempDir with a path that leaves room for a unix socket, and that every user
// may pass.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "install-") //nolint:usetesting // whose path is too long
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func (c *container) file(path string, content []byte, mode os.FileMode) {
	c.t.Helper()
	path = filepath.Join(c.root, path)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(c.t, os.WriteFile(path, content, mode))
}

// start runs the container's own arguments, with more behind them, and returns at once.
func (c *container) start(environment []string, more ...string) {
	c.t.Helper()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	require.NoError(c.t, err)
	defer log.Close()
	c.process = c.command(log, append(c.args(), more...)...)
	c.process.Env = slices.Concat(environment, c.environment())
	require.NoError(c.t, c.process.Start())
	c.ended = make(chan error, 1)
	go func(process *exec.Cmd, ended chan<- error) { ended <- process.Wait() }(c.process, c.ended)
	c.t.Cleanup(c.kill)
}

func (c *container) kill() {
	if c.process != nil {
		_ = c.process.Process.Kill()
		c.t.Logf("%s was killed: %v", c.pod, <-c.ended)
		c.process = nil
	}
	if c.t.Failed() {
		c.t.Logf("the end of the log of %s:\n%s", c.pod, lastLines(c.log))
	}
}

// command is the binary in the root, as the user that the Pod says.
func (c *container) command(output io.Writer, args ...string) *exec.Cmd {
	id := *c.spec.SecurityContext.RunAsUser
	return &exec.Cmd{
		Path: "/sandbox-apiserver", Args: append([]string{"/sandbox-apiserver"}, args...), Dir: "/", Env: []string{},
		Stdout: output, Stderr: output,
		SysProcAttr: &syscall.SysProcAttr{
			Chroot: c.root, Pdeathsig: syscall.SIGKILL, Setpgid: true,
			Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id)},
		},
	}
}

// args are the Pod's, with its variables filled in as the kubelet does.
func (c *container) args() []string {
	var args []string
	for _, arg := range c.spec.Containers[0].Args {
		for name, value := range c.variables() {
			arg = strings.ReplaceAll(arg, "$("+name+")", value)
		}
		args = append(args, arg)
	}
	return args
}

func (c *container) variables() map[string]string {
	values := map[string]string{}
	for _, variable := range c.spec.Containers[0].Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			switch field := variable.ValueFrom.FieldRef.FieldPath; field {
			case "metadata.name":
				value = c.pod
			case "metadata.namespace":
				value = namespace
			case "status.podIP":
				value = c.address
			default:
				require.Fail(c.t, "nobody here knows the field "+field)
			}
		}
		values[variable.Name] = value
	}
	return values
}

func (c *container) environment() []string {
	var environment []string
	for name, value := range c.variables() {
		environment = append(environment, name+"="+value)
	}
	return environment
}

// stop ends the process as a kubelet does, in the time that the Pod has.
func (c *container) stop() {
	c.t.Helper()
	require.NoError(c.t, c.process.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-c.ended:
		require.NoError(c.t, err, "%s: %s", c.pod, lastLines(c.log))
	case <-time.After(time.Duration(*c.spec.TerminationGracePeriodSeconds) * time.Second):
		_ = c.process.Process.Kill()
		c.t.Logf("%s was killed: %v", c.pod, <-c.ended)
		require.Fail(c.t, c.pod+" was killed at the end of its grace period")
	}
	c.process = nil
}

// unexpected are the files in the root that do not belong there.
func (c *container) unexpected() []string {
	var found []string
	require.NoError(c.t, filepath.WalkDir(c.root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside := strings.TrimPrefix(path, c.root)
		for _, mount := range c.spec.Containers[0].VolumeMounts {
			if inside == mount.MountPath {
				return filepath.SkipDir
			}
		}
		if !entry.IsDir() && inside != "/sandbox-apiserver" && inside != "/etc/hosts" && !strings.HasPrefix(inside, tokenDir) {
			found = append(found, inside)
		}
		return nil
	}))
	return found
}

// loopbacks are addresses that nobody listens on, each a host of its own.
func loopbacks(t *testing.T, count int) []string {
	t.Helper()
	var free []string
	for third := os.Getpid() % 250; len(free) < count; third++ {
		address := fmt.Sprintf("127.77.%d.%d", third%250, 1+len(free))
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(address, "6443"))
		if err != nil {
			continue
		}
		require.NoError(t, listener.Close())
		free = append(free, address)
	}
	return free
}

func lastLines(path string) string {
	const bytes = 4 << 10
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-bytes):])
}
