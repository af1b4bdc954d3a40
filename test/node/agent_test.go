// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/node"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const agentPort = 8080

// agent is a Sandbox that runs the agent's image, then changed.
func agent(name string, changes ...func(*v1beta1.Sandbox)) *v1beta1.Sandbox {
	return harness.Sandbox(name, append([]func(*v1beta1.Sandbox){func(s *v1beta1.Sandbox) { runAgent(&s.Spec.PodTemplate) }}, changes...)...)
}

// runAgent is Ready as soon as the agent answers.
func runAgent(template *v1beta1.PodTemplate) {
	main := &template.Spec.Containers[0]
	main.Image = node.AgentImage
	main.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: agentPort}}
	main.ReadinessProbe = &corev1.Probe{
		PeriodSeconds: 1, TimeoutSeconds: 5,
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/hostname", Port: intstr.FromInt32(agentPort)}},
	}
}

// withEnvironment sets a variable of the container.
func withEnvironment(name, value string) func(*v1beta1.Sandbox) {
	return func(s *v1beta1.Sandbox) {
		main := &s.Spec.PodTemplate.Spec.Containers[0]
		main.Env = append(main.Env, corev1.EnvVar{Name: name, Value: value})
	}
}

// start creates an agent and waits for it.
func start(ns *harness.Space, sandbox *v1beta1.Sandbox) *v1beta1.Sandbox {
	ns.T.Helper()
	ns.Create(sandbox)
	return ns.WaitReady(sandbox.Name)
}

// call asks the agent of a Sandbox, at the address its status has now.
func call(ns *harness.Space, name, method, path, body string) (string, error) {
	sandbox, err := ns.Sandboxes().Get(ns.T.Context(), name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if len(sandbox.Status.PodIPs) == 0 {
		return "", fmt.Errorf("Sandbox %s has no address", name)
	}
	return callAddress(ns.T.Context(), sandbox.Status.PodIPs[0], method, path, body)
}

func callAddress(ctx context.Context, address, method, path, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	target := "http://" + net.JoinHostPort(address, fmt.Sprint(agentPort)) + path
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Close = true // a connection would outlive the Pod
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, content)
	}
	return string(content), err
}

// get is what the agent answers.
func get(ns *harness.Space, name, path string) string {
	ns.T.Helper()
	content, err := call(ns, name, http.MethodGet, path, "")
	require.NoError(ns.T, err)
	return content
}

// put writes a file in the container.
func put(ns *harness.Space, name, path, content string) {
	ns.T.Helper()
	_, err := call(ns, name, http.MethodPut, "/files"+path, content)
	require.NoError(ns.T, err)
}

// waitAnswer polls until the agent answers a GET with content.
func waitAnswer(ns *harness.Space, name, path, content string) {
	ns.T.Helper()
	ns.Eventually(fmt.Sprintf("Sandbox %s answers %s with %q", name, path, content), func() error {
		got, err := call(ns, name, http.MethodGet, path, "")
		if err == nil && got != content {
			err = fmt.Errorf("it answers %q", got)
		}
		return err
	})
}

// fetch is the path by which an agent asks another who it is.
func fetch(host string) string {
	return "/fetch?url=" + url.QueryEscape(fmt.Sprintf("http://%s:%d/hostname", host, agentPort))
}
