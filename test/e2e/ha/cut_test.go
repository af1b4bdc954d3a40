// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestCutOffFromEtcd drops what one replica after the other and etcd send each other:
// whichever kube-apiserver is connected to is among them. It turns unready and sends
// clients away, the others serve; it comes back when the network does.
func TestCutOffFromEtcd(t *testing.T) {
	ns := env.Space(t)
	prepare(ns)
	load := startLoad(ns, "cut")
	defer load.finish()
	load.warmUp()
	replica := busiest(t)
	probe := newProbe(t, replica)

	begin := time.Now()
	require.NoError(t, replica.CutEtcd())
	t.Cleanup(func() { _ = replica.HealEtcd() })
	probe.eventually("/readyz", http.StatusInternalServerError)
	unready := time.Now()
	assert.Equal(t, http.StatusOK, probe.status("/livez"), "a restart would not help")
	load.steady()
	serving := time.Now()
	require.NoError(t, replica.HealEtcd())
	probe.eventually("/readyz", http.StatusOK)
	healed := time.Now()
	load.steady()

	answers := load.finish()
	t.Logf("unready %v after the cut, requests go well again after %v; ready %v after the heal",
		unready.Sub(begin).Round(time.Millisecond), serving.Sub(begin).Round(time.Millisecond), healed.Sub(serving).Round(time.Millisecond))
	t.Logf("in all: %s; errors for %v; longest time without a claim %v", figures(answers), errorWindow(answers), silence(answers))
	load.show(answers)
	load.nothingLost()
}

// probe asks one replica as a kubelet does, though with an administrator's certificate. An
// answer that did not come has status 0.
type probe struct {
	t      *testing.T
	client *http.Client
	host   string
}

func newProbe(t *testing.T, replica *local.Server) probe {
	t.Helper()
	config := replica.RESTConfig()
	config.Timeout = 10 * time.Second
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	return probe{t: t, client: client, host: config.Host}
}

func (p probe) get(path string) (int, string) {
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.host+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

func (p probe) status(path string) int {
	code, _ := p.get(path)
	return code
}

func (p probe) body(path string) string {
	_, body := p.get(path)
	return body
}

func (p probe) eventually(path string, want int) {
	p.t.Helper()
	harness.Eventually(p.t, fmt.Sprintf("%s%s answers %d", p.host, path, want), func() error {
		if code, body := p.get(path); code != want {
			return fmt.Errorf("%d: %s", code, body)
		}
		return nil
	})
}

// busiest is the replica that answers claims: kube-apiserver has its connection there.
func busiest(t *testing.T) *local.Server {
	t.Helper()
	before := map[*local.Server]float64{}
	for _, replica := range env.Cluster.Replicas() {
		before[replica] = claimsAnswered(t, replica)
	}
	var found *local.Server
	harness.Eventually(t, "some replica answers claims", func() error {
		for replica, count := range before {
			if claimsAnswered(t, replica) > count {
				found = replica
				return nil
			}
		}
		return errors.New("none does")
	})
	return found
}

func claimsAnswered(t *testing.T, replica *local.Server) float64 {
	t.Helper()
	code, body := newProbe(t, replica).get("/metrics")
	require.Equal(t, http.StatusOK, code)
	sum := 0.0
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "apiserver_request_total{") && strings.Contains(line, `resource="sandboxclaims"`) && strings.Contains(line, `verb="POST"`) {
			fields := strings.Fields(line)
			value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			require.NoError(t, err)
			sum += value
		}
	}
	return sum
}
