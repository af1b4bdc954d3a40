// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/node"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// ErrNoCluster says that a directory holds no cluster.
var ErrNoCluster = errors.New("no cluster here")

// Cluster is a running cluster. It is not safe for concurrent use; the clients made
// from its RESTConfig are.
type Cluster struct {
	// Server is sandbox-apiserver, the first one of Replicas; nil in a cluster without one.
	Server *Server
	// Node is the real one; nil where nodes are simulated.
	Node *node.Node

	servers []*Server
	members []*EtcdMember
	paths   layout
	root    binaries.Root
	state   *state
	plane   controlPlane
	admin   *rest.Config
	log     io.Writer
	guard   *guard
}

func newCluster(paths layout, root binaries.Root, s *state) *Cluster {
	return &Cluster{paths: paths, root: root, state: s, plane: controlPlane{root: root, paths: paths}, log: io.Discard}
}

// Open returns the cluster that an earlier Start, in whatever process, left in dir,
// running or not. Its Server can be asked and ended, not started. Without one the error
// is ErrNoCluster.
func Open(dir string) (*Cluster, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolving %q: %w", dir, err)
	}
	paths := layout{dir: abs}
	state, err := readState(paths.state())
	if err != nil {
		return nil, err
	}
	if state == nil {
		return nil, fmt.Errorf("%s: %w", abs, ErrNoCluster)
	}
	root, err := binaries.FindRoot(".")
	if err != nil {
		return nil, err
	}
	c := newCluster(paths, root, state)
	c.addServers("", nil)
	if err := c.openNode(); err != nil {
		return nil, err
	}
	if state.Complete {
		return c, c.loadAdmin()
	}
	return c, nil
}

// Lock waits until nobody starts or ends the cluster in dir, and keeps others from it
// until unlock is called. Start takes it by itself.
func Lock(ctx context.Context, dir string) (unlock func(), err error) {
	return binaries.Lock(ctx, layout{dir: dir}.lock())
}

// Dir is the absolute path of everything that belongs to the cluster.
func (c *Cluster) Dir() string { return c.paths.dir }

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.paths.kubeconfig() }

// RESTConfig returns a new configuration of an administrator's client, without
// client-side rate limits. It is nil for a cluster that Open found half started.
func (c *Cluster) RESTConfig() *rest.Config {
	if c.admin == nil {
		return nil
	}
	return rest.CopyConfig(c.admin)
}

func (c *Cluster) loadAdmin() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return fmt.Errorf("reading %s: %w", c.Kubeconfig(), err)
	}
	// With the paths alone, client-go would give the client of a cluster that was removed to the
	// next one in its place, which has another authority.
	if err := rest.LoadTLSFiles(config); err != nil {
		return fmt.Errorf("reading the certificates of %s: %w", c.Kubeconfig(), err)
	}
	config.QPS, config.Burst = -1, -1
	c.admin = config
	return nil
}

// Kubectl runs the cluster's own kubectl as administrator and returns what it printed.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	return c.plane.kubectl(ctx, stdin, args...)
}

// LogPaths returns the log of each process, by its name.
func (c *Cluster) LogPaths() map[string]string {
	logs := map[string]string{}
	for _, component := range components() {
		logs[component] = c.paths.componentLog(component)
	}
	for _, server := range c.servers {
		logs[server.name] = server.LogPath()
	}
	for _, member := range c.members {
		logs[member.name] = c.paths.log(member.name)
	}
	if c.Node != nil {
		maps.Copy(logs, c.Node.LogPaths())
	}
	if c.state.Shared != nil {
		logs[balancer] = c.paths.log(balancer)
	}
	return logs
}

// Processes returns the cluster's live processes, by name.
func (c *Cluster) Processes() map[string]process.Record {
	all := c.plane.running()
	for name, record := range c.recorded() {
		if record.Alive() {
			all[name] = *record
		}
	}
	return all
}

// Missing returns the names of the processes that should be running and are not.
func (c *Cluster) Missing() []string {
	want := append(components(), slices.Sorted(maps.Keys(c.recorded()))...)
	alive := c.Processes()
	var missing []string
	for _, name := range want {
		if _, ok := alive[name]; !ok {
			missing = append(missing, name)
		}
	}
	return missing
}

// Stop ends the cluster's processes, and no others: the servers as a kubelet would, the
// rest at once. The directory stays, for the logs; Remove deletes it. Stopping twice
// is no error.
func (c *Cluster) Stop(ctx context.Context) error {
	const serverGrace = 10 * time.Second
	var servers []process.Record
	for _, server := range c.state.servers() {
		if server.Server != nil {
			servers = append(servers, *server.Server)
			server.Server = nil
		}
	}
	errs := []error{process.End(ctx, serverGrace, servers...), c.endShared(ctx), c.endNode(ctx), c.plane.end(ctx)}
	c.state.Complete = false
	errs = append(errs, c.writeState(), c.releaseGuard())
	return errors.Join(errs...)
}

// Remove deletes what the cluster has left on disk. The cluster must be stopped.
// Clusters of tests below the directory, and the directory while it holds some, stay.
func (c *Cluster) Remove() error {
	if alive := c.Processes(); len(alive) > 0 {
		return fmt.Errorf("removing %s: %d processes are running: stop the cluster first", c.Dir(), len(alive))
	}
	return removeContents(c.Dir())
}

func (c *Cluster) releaseGuard() error {
	g := c.guard
	c.guard = nil
	return g.release()
}

func (c *Cluster) writeState() error { return c.state.write(c.paths.state()) }

func (c *Cluster) tell(line string) { fmt.Fprintln(c.log, line) }

// removeContents leaves only clusters of tests, and the lock that somebody may hold.
func removeContents(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	kept := 0
	for _, entry := range entries {
		if entry.Name() == testsDir && os.Remove(filepath.Join(dir, testsDir)) != nil {
			kept++
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("removing %s: %w", entry.Name(), err)
		}
	}
	if kept > 0 {
		return nil
	}
	return os.RemoveAll(dir)
}
