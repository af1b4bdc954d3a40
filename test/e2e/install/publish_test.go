// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

// publishes says whether the server looks after its certificate by itself.
func (s *story) publishes() bool {
	return app.NewCommand(s.t.Context()).Flags().Lookup("manage-serving-certificate") != nil
}

// publish does by hand what such a server does: it puts the authority of the certificate
// that a lone server has signed itself into the APIService.
func (s *story) publish() {
	s.t.Helper()
	if s.publishes() {
		return
	}
	s.t.Log("NOT YET: the server does not publish its authority: doing it for it")
	raw, err := os.ReadFile(filepath.Join(s.pods.running["sandbox-apiserver-0"].root, "run/sandbox-apiserver/certificates/apiserver.crt"))
	require.NoError(s.t, err)
	patch := fmt.Sprintf(`{"spec":{"caBundle":%q}}`, base64.StdEncoding.EncodeToString(raw))
	_, err = cluster.Kubectl(s.t.Context(), "", "patch", "apiservice", local.APIServiceName, "--type=merge", "--patch", patch)
	require.NoError(s.t, err)
}
