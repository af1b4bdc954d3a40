// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
)

const (
	pollInterval = 100 * time.Millisecond
	// settleTimeout bounds every wait for something that the server or the cluster is to do.
	settleTimeout = 15 * time.Minute
)

// Env is the cluster of a run, seen by an administrator. Clients are safe for concurrent use.
type Env struct {
	Cluster *local.Cluster
	// Client is of our group, Kube of everything else; both speak protobuf through kube-apiserver.
	Client versioned.Interface
	Kube   kubernetes.Interface
	// Etcd is the server's own etcd, for its floor.
	Etcd *clientv3.Client
	// Scale shrinks every scenario, for a trial of the scenarios themselves: 1 is the real size.
	Scale float64
	// Progress is told what goes on.
	Progress io.Writer

	namespaces int
}

// NewEnv connects to a cluster. Close it.
func NewEnv(cluster *local.Cluster, scale float64, progress io.Writer) (*Env, error) {
	env := &Env{Cluster: cluster, Scale: scale, Progress: progress}
	config := cluster.RESTConfig()
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	var err error
	if env.Client, err = versioned.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("making the client of our group: %w", err)
	}
	if env.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("making the client of the cluster: %w", err)
	}
	endpoint := cluster.EtcdEndpoint()
	if endpoint == "" {
		endpoint = "unix://" + filepath.Join(cluster.Server.DataDir(), "etcd", "etcd.sock")
	}
	env.Etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: time.Minute})
	if err != nil {
		return nil, fmt.Errorf("connecting to the server's etcd: %w", err)
	}
	return env, nil
}

// Close ends the connections, not the cluster.
func (e *Env) Close() error { return e.Etcd.Close() }

// Tell writes a line of progress.
func (e *Env) Tell(format string, args ...any) { fmt.Fprintf(e.Progress, "  "+format+"\n", args...) }

// Sized is n, or less in a trial.
func (e *Env) Sized(n int) int { return max(int(float64(n)*e.Scale), 3) }

// Lasting is d, or less in a trial.
func (e *Env) Lasting(d time.Duration) time.Duration {
	return max(time.Duration(float64(d)*e.Scale), 2*time.Second)
}

// Rest returns a client of one API path, for raw requests.
func (e *Env) Rest() rest.Interface { return e.Kube.CoreV1().RESTClient() }

// Processes are those whose use is reported, by name.
func (e *Env) Processes() map[string]int {
	pids := map[string]int{}
	for name, record := range e.Cluster.Processes() {
		pids[name] = record.PID
	}
	return pids
}

// Revision is that of the server's own etcd: it moves by one with every transaction.
func (e *Env) Revision(ctx context.Context) (int64, error) {
	response, err := e.Etcd.Get(ctx, "benchmark")
	if err != nil {
		return 0, fmt.Errorf("reading the revision of the server's etcd: %w", err)
	}
	return response.Header.Revision, nil
}

// ClusterRevision is that of the cluster's etcd.
func (e *Env) ClusterRevision(ctx context.Context) (int64, error) {
	list, err := e.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return 0, fmt.Errorf("reading the revision of the cluster's etcd: %w", err)
	}
	return strconv.ParseInt(list.ResourceVersion, 10, 64)
}

// namespace makes one for a scenario.
func (e *Env) namespace(ctx context.Context, scenario string) (string, error) {
	e.namespaces++
	name := fmt.Sprintf("bench-%s-%d", scenario, e.namespaces)
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := e.Kube.CoreV1().Namespaces().Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return "", fmt.Errorf("making a namespace: %w", err)
	}
	return name, e.Until(ctx, "the namespace's ServiceAccount", func(ctx context.Context) (bool, error) {
		_, err := e.Kube.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
}

// clean deletes what a scenario has made and waits until it is gone, so that nothing of
// one scenario is left to run beside the next.
func (e *Env) clean(ctx context.Context, namespace string) error {
	return errors.Join(e.deleteNamespace(ctx, namespace), e.cleanEtcd(ctx))
}

func (e *Env) deleteNamespace(ctx context.Context, namespace string) error {
	client := e.Client.SandboxV1beta1()
	everything := metav1.ListOptions{}
	// In this order, or pools make up for what is deleted.
	for kind, deletion := range []func() error{
		func() error {
			return client.SandboxWarmPools(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, everything)
		},
		func() error {
			return client.SandboxClaims(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, everything)
		},
		func() error {
			return client.Sandboxes(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, everything)
		},
		func() error { return e.Kube.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}) },
	} {
		// Thousands may take longer than kube-apiserver gives a request; then the next one goes on.
		var failed error
		if err := e.Until(ctx, fmt.Sprintf("step %d of the deletion of namespace %s", kind+1, namespace), func(context.Context) (bool, error) {
			failed = deletion()
			return failed == nil, nil
		}); err != nil {
			return errors.Join(err, failed)
		}
	}
	return e.Until(ctx, "namespace "+namespace+" to be gone", func(ctx context.Context) (bool, error) {
		list, err := e.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + namespace})
		return err == nil && len(list.Items) == 0, nil
	})
}

// Idle waits until the server has nothing left to do of what it was asked before: what a
// scenario measures next is then not the end of that.
func (e *Env) Idle(ctx context.Context) error {
	const quietFor, coreShare = 3 * time.Second, 0.05
	pid := e.Processes()[binaries.SandboxAPIServer]
	since := time.Now()
	used, err := measure.CPUSeconds(pid)
	if err != nil {
		return err
	}
	return e.Until(ctx, "the server to be idle", func(context.Context) (bool, error) {
		passed := time.Since(since)
		if passed < quietFor {
			return false, nil
		}
		now, err := measure.CPUSeconds(pid)
		idle := now-used < coreShare*passed.Seconds()
		since, used = time.Now(), now
		return idle, err
	})
}

// Until polls until done says so.
func (e *Env) Until(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	if err := wait.PollUntilContextTimeout(ctx, pollInterval, settleTimeout, true, done); err != nil {
		return fmt.Errorf("waiting for %s: %w", what, err)
	}
	return nil
}
