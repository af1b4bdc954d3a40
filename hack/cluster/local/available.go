// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const apiServicePath = "/apis/apiregistration.k8s.io/v1/apiservices/" + APIServiceName

// WaitAvailable returns when clients of the cluster can use the API, and an error with
// the reason and the end of the server's log when the process ends before that or two
// minutes have passed.
func (s *Server) WaitAvailable(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(s.cluster.RESTConfig())
	if err != nil {
		return fmt.Errorf("building the administrator's client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, availableTimeout)
	defer cancel()
	check := availability{server: s, cluster: client.Discovery().RESTClient()}
	if err := reasoned(ctx, s.name, s.cluster.tell, check.check); err != nil {
		return fmt.Errorf("%w\nthe end of %s:\n%s", err, s.LogPath(), tail(s.LogPath(), 20))
	}
	return nil
}

// directClient reaches the server without kube-apiserver, trusting its own authority.
func directClient(authority []byte) (*http.Client, error) {
	transport, err := rest.TransportFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: authority}})
	if err != nil {
		return nil, fmt.Errorf("building a client of sandbox-apiserver: %w", err)
	}
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}, nil
}

// availability looks at the server from the inside outwards.
type availability struct {
	server  *Server
	cluster rest.Interface
	nudged  time.Time
}

func (a *availability) check(ctx context.Context) error {
	if !a.server.Running() {
		return &terminalError{fmt.Errorf("the process has ended")}
	}
	if err := a.ready(ctx); err != nil {
		return err
	}
	raw, err := a.cluster.Get().AbsPath(apiServicePath).DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("getting APIService %s: %w", APIServiceName, err)
	}
	if reason := unavailable(raw); reason != nil {
		return a.nudge(ctx, reason)
	}
	if _, err := a.cluster.Get().AbsPath(apiPath).DoRaw(ctx); err != nil {
		return fmt.Errorf("asking kube-apiserver for %s: %w", apiPath, err)
	}
	return nil
}

func (a *availability) ready(ctx context.Context) error {
	authority, err := a.server.refreshAuthority(ctx, a.cluster)
	if err != nil {
		return err
	}
	direct, err := directClient(authority)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+a.server.Address()+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := direct.Do(request)
	if err != nil {
		return fmt.Errorf("not serving yet: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return fmt.Errorf("reading readyz: %w", err)
	}
	return fmt.Errorf("not ready: %s", unready(string(body)))
}

// unready picks the failed checks out of the answer of readyz.
func unready(body string) string {
	var failed []string
	for line := range strings.Lines(body) {
		if check, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			failed = append(failed, check)
		}
	}
	if len(failed) == 0 {
		return strings.TrimSpace(body)
	}
	return strings.Join(failed, "; ")
}

// nudge makes kube-apiserver look at the APIService again: by itself it comes back to
// one that was unreachable for a while only after 30 s.
func (a *availability) nudge(ctx context.Context, reason error) error {
	if time.Since(a.nudged) < time.Second {
		return reason
	}
	a.nudged = time.Now()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"local.sandbox.agents.x-k8s.io/nudged":%q}}}`, a.nudged.Format(time.RFC3339Nano))
	err := a.cluster.Patch(types.MergePatchType).AbsPath(apiServicePath).
		VersionedParams(&metav1.PatchOptions{FieldManager: "local-cluster"}, metav1.ParameterCodec).
		Body([]byte(patch)).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("touching APIService %s: %w", APIServiceName, err)
	}
	return reason
}
