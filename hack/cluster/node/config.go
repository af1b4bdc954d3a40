// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// settings are what the configuration files are made of.
type settings struct {
	layout
	Dir        string
	Gateway    string
	Subnet     string
	Kubeconfig string
	ClusterCA  string
	CrunOCI    string
	RuncOCI    string
	Shim       string
}

//go:embed config/containerd.toml
var containerdTemplate string

//go:embed config/hosts.toml
var registriesTemplate string

//go:embed config/crun.sh
var crunTemplate string

//go:embed config/bridge.conflist
var bridgeTemplate string

//go:embed config/kubelet.yaml
var kubeletTemplate string

//go:embed config/kube-proxy.yaml
var proxyTemplate string

//go:embed config/Corefile
var corefileTemplate string

// Value gives templates a path or name of the layout.
func (s settings) Value(what string) string {
	return map[string]string{
		"bridge":     s.bridge(),
		"cgroup":     s.cgroup(),
		"socket":     s.socket(),
		"root":       s.containerdRoot(),
		"state":      s.containerdState(),
		"registries": s.registries(),
		"crun":       s.crun(),
		"networks":   s.networks(),
		"addresses":  s.addresses(),
		"plugins":    cniDirectory,
		"podLogs":    s.podLogs(),
		"resolvConf": s.resolvConf(),
		"domain":     clusterDomain,
		"pause":      PauseImage,
		"node":       Name,
	}[what]
}

func (s settings) network() string { return filepath.Join(s.networks(), "10-sandbox.conflist") }
func (s settings) everyRegistry() string {
	return filepath.Join(s.registries(), "_default", "hosts.toml")
}

// Port gives templates a port of the bridge's address.
func (s settings) Port(what string) int {
	return map[string]int{"kubelet": kubeletPort, "health": proxyHealth, "metrics": proxyMetrics, "dns": dnsPort}[what]
}

// write makes the directories and configuration files of the node.
func (s settings) write() error {
	directories := []string{
		filepath.Dir(s.network()), filepath.Dir(s.everyRegistry()), s.addresses(), s.containerdState(), s.podLogs(),
		s.kubeletRoot(), s.kubeletCredentials(), s.images(), filepath.Dir(s.log("")),
	}
	for _, dir := range directories {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the node's directories: %w", err)
		}
	}
	for path, content := range map[string]string{
		s.containerdConfig(): containerdTemplate,
		s.everyRegistry():    registriesTemplate,
		s.network():          bridgeTemplate,
		s.crun():             crunTemplate,
		s.kubeletConfig():    kubeletTemplate,
		s.proxyConfig():      proxyTemplate,
		s.corefile():         corefileTemplate,
		s.resolvConf():       "# Names are resolved by the cluster's DNS only.\n",
	} {
		rendered, err := s.render(content)
		if err != nil {
			return fmt.Errorf("rendering %s: %w", filepath.Base(path), err)
		}
		if err := os.WriteFile(path, rendered, 0o644); err != nil {
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
	}
	return os.Chmod(s.crun(), 0o755)
}

func (s settings) render(content string) ([]byte, error) {
	parsed, err := template.New("").Option("missingkey=error").Parse(content)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, s); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
