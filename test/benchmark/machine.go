// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
)

// thisMachine says where the run takes place, as far as it can be found out.
func thisMachine(ctx context.Context, root binaries.Root, scale float64) report.Machine {
	machine := report.Machine{Time: time.Now(), CPUs: runtime.NumCPU(), Scale: scale}
	machine.Model = procField("/proc/cpuinfo", "model name")
	if total, err := strconv.ParseUint(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		machine.Memory = total << 10
	}
	git := exec.CommandContext(ctx, "git", "-C", string(root), "describe", "--always", "--dirty")
	if commit, err := git.Output(); err == nil {
		machine.Commit = strings.TrimSpace(string(commit))
	}
	return machine
}

func procField(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// profileSeconds of CPU are taken over and over while a scenario runs.
const profileSeconds = 20

// profile takes profiles of the first server until stop is called.
func (s *session) profile(ctx context.Context, name string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			path := filepath.Join(s.options.out, fmt.Sprintf("%s-cpu-%d.pprof", name, i))
			if err := s.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSeconds), path); err != nil {
				return
			}
		}
	})
	return func() {
		for _, kind := range []string{"allocs", "block", "heap"} {
			path := filepath.Join(s.options.out, name+"-"+kind+".pprof")
			if err := s.fetch(ctx, "/debug/pprof/"+kind, path); err != nil {
				fmt.Println("  no profile:", err)
			}
		}
		cancel()
		group.Wait()
	}
}

func (s *session) fetch(ctx context.Context, path, file string) error {
	config := s.cluster.Server.RESTConfig()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("reaching the server for a profile: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	defer response.Body.Close()
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	defer out.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("taking a profile: %s", response.Status)
	}
	_, err = io.Copy(out, response.Body)
	return err
}
