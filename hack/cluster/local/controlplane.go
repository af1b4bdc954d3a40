// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// controlPlane is the real Kubernetes of a cluster, run through kwokctl.
type controlPlane struct {
	root  binaries.Root
	paths layout
}

// running returns the live processes by component. kwokctl records process ids only;
// each is believed only if the process was started as this cluster's own program,
// which lies below the cluster's directory.
func (p controlPlane) running() map[string]process.Record {
	found := map[string]process.Record{}
	for _, component := range components() {
		raw, err := os.ReadFile(p.paths.pidFile(component))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
		if err != nil {
			continue
		}
		if record, ok := process.Find(pid, p.paths.program(component)); ok {
			found[component] = record
		}
	}
	return found
}

// create makes and starts a cluster in an empty directory.
func (p controlPlane) create(ctx context.Context, s *state) error {
	config, err := kwokConfig(p.root, p.paths, s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.paths.kwokctlConfig(), config, 0o644); err != nil {
		return fmt.Errorf("writing kwokctl's configuration: %w", err)
	}
	stages, err := p.root.Stages()
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.paths.volumeStages(), stagesOfVolumes(p.paths), 0o644); err != nil {
		return fmt.Errorf("writing the stages of volumes: %w", err)
	}
	args := []string{"create", "cluster", "--config", p.paths.kwokctlConfig(), "--kubeconfig", p.paths.kubeconfig()}
	for _, stage := range append(stages, p.paths.volumeStages()) {
		args = append(args, "--config", stage)
	}
	return p.kwokctl(ctx, args...)
}

// restart starts the components that are not running, with the data they had.
func (p controlPlane) restart(ctx context.Context) error {
	alive := p.running()
	for _, component := range components() {
		if _, ok := alive[component]; ok {
			continue
		}
		// kwokctl takes any process with the recorded id, a zombie too, for the component.
		if err := os.RemoveAll(p.paths.pidFile(component)); err != nil {
			return fmt.Errorf("removing the stale process id of %s: %w", component, err)
		}
	}
	return p.kwokctl(ctx, "start", "cluster")
}

// takenPorts names the components that ended because their port was taken; "" if none did.
func (p controlPlane) takenPorts() string {
	var taken strings.Builder
	for _, component := range components() {
		if strings.Contains(tail(p.paths.componentLog(component), 20), syscall.EADDRINUSE.Error()) {
			fmt.Fprintf(&taken, "; %s: %v", component, syscall.EADDRINUSE)
		}
	}
	return taken.String()
}

func (p controlPlane) scaleNodes(ctx context.Context, nodes int) error {
	return p.kwokctl(ctx, "scale", "node", "--replicas", strconv.Itoa(nodes), "--serial-length", "1")
}

// end kills the components: their data is of no use to anybody, so nothing has to be
// flushed.
func (p controlPlane) end(ctx context.Context) error {
	var records []process.Record
	for _, record := range p.running() {
		records = append(records, record)
	}
	return process.End(ctx, 0, records...)
}

func (p controlPlane) kwokctl(ctx context.Context, args ...string) error {
	args = append([]string{"--name", kwokCluster}, args...)
	out, err := p.run(ctx, binaries.Kwokctl, "", args...)
	if err != nil {
		return fmt.Errorf("running kwokctl %s: %w\n%s", strings.Join(args[2:4], " "), err, out)
	}
	return nil
}

// kubectl runs bin/kubectl as administrator, with stdin as its standard input.
func (p controlPlane) kubectl(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	out, err := p.run(ctx, binaries.Kubectl, stdin, append([]string{"--kubeconfig", p.paths.kubeconfig()}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("running kubectl %s: %w\n%s", args[0], err, out)
	}
	return out, nil
}

func (p controlPlane) run(ctx context.Context, program, stdin string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.root.Bin(program), args...)
	cmd.Env = p.environment(os.Environ())
	cmd.Stdin = strings.NewReader(stdin)
	// Of its own group: a terminal's interrupt reaches it through us, in order. It dies
	// with us: the guard could not know what it is still about to start.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // the program's own complaints are about being ended
	}
	return out, err
}

// environment keeps the user's own kwok and kubectl settings out, and ours out of the
// user's home.
func (p controlPlane) environment(inherited []string) []string {
	var env []string
	for _, variable := range inherited {
		if !strings.HasPrefix(variable, "KWOK_") && !strings.HasPrefix(variable, "KUBE") {
			env = append(env, variable)
		}
	}
	return append(env,
		"KWOK_WORKDIR="+p.paths.kwok(),
		"KUBECONFIG="+p.paths.kubeconfig(),
		"KUBECACHEDIR="+p.paths.kubectlCache(),
		"KUBERC=off",
	)
}
