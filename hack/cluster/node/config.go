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

// Port gives templates a port of the bridge's address.
func (s settings) Port(what string) int {
	return map[string]int{"kubelet": kubeletPort, "health": proxyHealth, "metrics": proxyMetrics, "dns": dnsPort}[what]
}

// write makes the directories and configuration files of the node.
func (s settings) write() error {
	for _, dir := range []string{s.networks(), s.addresses(), s.containerdState(), s.podLogs(), s.kubeletRoot(), s.kubeletCredentials(), s.images(), filepath.Dir(s.log(""))} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the node's directories: %w", err)
		}
	}
	for path, content := range map[string]string{
		s.containerdConfig(): containerdTemplate,
		filepath.Join(s.networks(), "10-sandbox.conflist"): bridgeTemplate,
		s.kubeletConfig(): kubeletTemplate,
		s.proxyConfig():   proxyTemplate,
		s.corefile():      corefileTemplate,
		s.resolvConf():    "# Names are resolved by the cluster's DNS only.\n",
	} {
		rendered, err := s.render(content)
		if err != nil {
			return fmt.Errorf("rendering %s: %w", filepath.Base(path), err)
		}
		if err := os.WriteFile(path, rendered, 0o644); err != nil {
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
	}
	return nil
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
