// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// pods runs the containers of the workloads that are applied.
type pods struct {
	t    *testing.T
	kube kubernetes.Interface
	// addresses and volumes belong to a Pod's name and outlive it.
	addresses map[string]string
	volumes   string
	running   map[string]*container
	// port is where kube-apiserver reaches any server that is ready.
	port int
}

// newPods gives each Pod an address, and listens for kube-apiserver.
func newPods(t *testing.T, r rendered) *pods {
	t.Helper()
	kube, err := kubernetes.NewForConfig(cluster.RESTConfig())
	require.NoError(t, err)
	p := &pods{t: t, kube: kube, addresses: map[string]string{}, volumes: shortDir(t), running: map[string]*container{}}
	var names, servers []string
	for _, w := range workloads(r) {
		for i := range w.replicas {
			names = append(names, podName(w, i))
		}
	}
	for i, address := range loopbacks(t, len(names)) {
		p.addresses[names[i]] = address
	}
	server := workloads(r)["sandbox-apiserver"]
	for i := range server.replicas {
		servers = append(servers, net.JoinHostPort(p.addresses[podName(server, i)], "6443"))
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.port = listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
	endpoints := local.NewEndpoints(servers)
	go endpoints.Run(t.Context())
	go func() { _ = local.Balance(t.Context(), listener, endpoints.Ready) }()
	return p
}

// listenFlags say by which flag a workload is told where to listen.
var listenFlags = map[string]string{"sandbox-apiserver": "--bind-address=", "sandbox-etcd": "--listen-address="}

func podName(w workload, ordinal int) string { return w.name + "-" + strconv.Itoa(ordinal) }

// follow does what controllers and kubelets do after an apply: Pods of other templates than
// the applied ones are replaced, one after the other, those that are missing started.
func (p *pods) follow() {
	p.t.Helper()
	for _, w := range p.applied() {
		// Members of etcd wait for each other at their first start.
		var started []*container
		for i := range w.replicas {
			name := podName(w, i)
			if old := p.running[name]; old != nil {
				p.end(name)
				p.ready(p.begin(w, name))
				continue
			}
			started = append(started, p.begin(w, name))
		}
		for _, c := range started {
			p.ready(c)
		}
	}
}

// applied are the workloads in the cluster, etcd first.
func (p *pods) applied() []workload {
	p.t.Helper()
	ctx, apps := p.t.Context(), p.kube.AppsV1()
	sets, err := apps.StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(p.t, err)
	deployments, err := apps.Deployments(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(p.t, err)
	var found []workload
	for i := range sets.Items {
		found = append(found, fromStatefulSet(&sets.Items[i]))
	}
	for i := range deployments.Items {
		found = append(found, fromDeployment(&deployments.Items[i]))
	}
	require.NotEmpty(p.t, found)
	return found
}

func (p *pods) begin(w workload, name string) *container {
	p.t.Helper()
	volumes := map[string]string{}
	for _, claim := range w.claims {
		dir := filepath.Join(p.volumes, claim.Name+"-"+name)
		require.NoError(p.t, os.MkdirAll(dir, 0o755))
		volumes[claim.Name] = dir
	}
	token, authority := p.identity(w.template.Spec.ServiceAccountName)
	c := newContainer(p.t, pod{
		name: name, address: p.addresses[name], spec: w.template.Spec, volumes: volumes, hosts: p.hosts(), token: token, authority: authority,
	})
	kube, err := url.Parse(cluster.RESTConfig().Host)
	require.NoError(p.t, err)
	c.start([]string{"KUBERNETES_SERVICE_HOST=" + kube.Hostname(), "KUBERNETES_SERVICE_PORT=" + kube.Port()}, listenFlags[w.name]+c.address)
	p.running[name] = c
	return c
}

// hosts are what the cluster's DNS would answer for the members of etcd.
func (p *pods) hosts() []string {
	var lines []string
	for name, address := range p.addresses {
		host := fmt.Sprintf("%s.sandbox-etcd.%s.svc", name, namespace)
		lines = append(lines, fmt.Sprintf("%s %s %s.cluster.local", address, host, host))
	}
	return lines
}

// identity is what the kubelet projects into a Pod.
func (p *pods) identity(account string) (token, authority []byte) {
	p.t.Helper()
	answer, err := p.kube.CoreV1().ServiceAccounts(namespace).CreateToken(p.t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(p.t, err)
	config := cluster.RESTConfig()
	require.NoError(p.t, rest.LoadTLSFiles(config))
	return []byte(answer.Status.Token), config.CAData
}

// ready asks the readiness probe until it passes.
func (p *pods) ready(c *container) {
	p.t.Helper()
	probe := c.spec.Containers[0].ReadinessProbe.HTTPGet
	address := fmt.Sprintf("%s://%s:%d%s", map[corev1.URIScheme]string{corev1.URISchemeHTTPS: "https"}[probe.Scheme], c.address, portNamed(c.spec.Containers[0], probe.Port), probe.Path)
	if probe.Scheme != corev1.URISchemeHTTPS {
		address = "http" + address
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	harness.Eventually(p.t, c.pod+" is ready", func() error {
		select {
		case err := <-c.ended:
			c.ended <- err
			return fmt.Errorf("it has ended: %w", err)
		default:
		}
		request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			err = errors.New(response.Status)
		}
		return errors.Join(err, response.Body.Close())
	})
}

func (p *pods) end(name string) {
	p.t.Helper()
	c := p.running[name]
	c.stop()
	require.Empty(p.t, c.unexpected(), "%s has written beside its volumes", name)
	c.remove()
	delete(p.running, name)
}

// endAll is what follows the deletion of the workloads.
func (p *pods) endAll() {
	p.t.Helper()
	for name := range p.running {
		p.end(name)
	}
}

// simulated waits until the cluster's own Pods are there: admitted under the rules of the
// namespace, scheduled with their volumes, and as many as are wanted.
func (p *pods) simulated() {
	p.t.Helper()
	for _, w := range p.applied() {
		selector := "app.kubernetes.io/name=" + w.name
		harness.Eventually(p.t, "the Pods of "+w.name+" are simulated", func() error {
			list, err := p.kube.CoreV1().Pods(namespace).List(context.Background(), metav1.ListOptions{LabelSelector: selector})
			if err != nil {
				return err
			}
			running := 0
			for i := range list.Items {
				if list.Items[i].Status.Phase == corev1.PodRunning {
					running++
				}
			}
			if running < w.replicas {
				return fmt.Errorf("%d of %d are running", running, w.replicas)
			}
			return nil
		})
	}
}
