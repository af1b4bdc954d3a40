// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// systemctlEnv tells this binary under its other name where the services are.
const systemctlEnv = "OPERATIONS_TEST_SERVICES"

// systemctl asks the test to start or stop a service, as systemctl VERB UNIT.
func systemctl() int {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: systemctl VERB UNIT")
		return 2
	}
	response, err := http.PostForm(os.Getenv(systemctlEnv), url.Values{"verb": {os.Args[1]}, "unit": {os.Args[2]}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return 0
	}
	_, _ = io.Copy(os.Stderr, response.Body)
	return 1
}

// services are the server of the cluster, and members of an etcd.
type services struct {
	ctx context.Context
	env *harness.Env
	// arguments is the file with the server's flags, one a line.
	arguments string
	members   map[string]*member
}

// member is a process of sandbox-apiserver etcd.
type member struct {
	command []string
	log     string
	running *exec.Cmd
}

func (s *services) listen(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.do(r.FormValue("verb"), r.FormValue("unit")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (s *services) end() error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, m := range s.members {
		errs = append(errs, m.stop())
	}
	return errors.Join(errs...)
}

func (s *services) do(verb, unit string) error {
	switch {
	case unit == "sandbox-apiserver":
		return s.server(verb)
	case s.members[unit] == nil:
		return fmt.Errorf("unit %s not found", unit)
	case verb == "start":
		return s.members[unit].start()
	case verb == "stop":
		return s.members[unit].stop()
	}
	return fmt.Errorf("unknown verb %s", verb)
}

func (s *services) server(verb string) error {
	server := s.env.Cluster.Server
	if verb == "stop" || verb == "restart" {
		if err := server.Stop(s.ctx); err != nil {
			return err
		}
	}
	if verb == "stop" {
		return nil
	}
	content, err := os.ReadFile(s.arguments)
	if err != nil {
		return err
	}
	return server.Start(s.ctx, strings.Fields(string(content))...)
}

func (m *member) start() error {
	if m.running != nil {
		return nil
	}
	log, err := os.OpenFile(m.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	child := exec.Command(m.command[0], m.command[1:]...)
	child.Stdout, child.Stderr = log, log
	// It ends with the test, however that ends.
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.running = child
	return child.Start()
}

func (m *member) stop() error {
	if m.running == nil {
		return nil
	}
	child := m.running
	m.running = nil
	if err := child.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := child.Wait(); err != nil {
		return fmt.Errorf("%w; its log is %s", err, m.log)
	}
	return nil
}

// tools makes a directory for PATH.
func tools(t *testing.T, bin string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "systemctl")))
	for _, program := range []string{"sandbox-apiserver", "kubectl"} {
		require.NoError(t, os.Symlink(filepath.Join(bin, program), filepath.Join(dir, program)))
	}
	return dir
}
