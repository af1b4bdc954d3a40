// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/utils/ptr"
)

// tokenLifetime is longer than any local cluster is kept.
const tokenLifetime = 365 * 24 * time.Hour

// servingCertificate returns a server's authority in PEM, making authority,
// certificate and key at the first call.
func servingCertificate(files servingFiles) ([]byte, error) {
	authority, err := os.ReadFile(files.authority)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return authority, err
	}
	host := ServiceAccount + "." + SystemNamespace + ".svc"
	chain, key, err := cert.GenerateSelfSignedCertKey(host, []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"})
	if err != nil {
		return nil, fmt.Errorf("making the serving certificate: %w", err)
	}
	// The chain is the certificate, then the authority that signed it.
	_, rest := pem.Decode(chain)
	block, _ := pem.Decode(rest)
	if block == nil {
		return nil, fmt.Errorf("making the serving certificate: no authority in the chain")
	}
	authority = pem.EncodeToMemory(block)
	if err := os.MkdirAll(files.directory, 0o700); err != nil {
		return nil, fmt.Errorf("making the credentials' directory: %w", err)
	}
	if err := os.WriteFile(files.cert, chain, 0o600); err != nil {
		return nil, fmt.Errorf("writing the serving certificate: %w", err)
	}
	if err := os.WriteFile(files.key, key, 0o600); err != nil {
		return nil, fmt.Errorf("writing the serving key: %w", err)
	}
	return authority, os.WriteFile(files.authority, authority, 0o600)
}

// serverIdentity writes a kubeconfig with which the server is its own ServiceAccount,
// with that account's rights and no others.
func serverIdentity(ctx context.Context, admin *rest.Config, paths layout) error {
	if _, err := os.Stat(paths.serverKubeconfig()); err == nil {
		return nil
	}
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return fmt.Errorf("building the administrator's client: %w", err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: ptr.To(int64(tokenLifetime.Seconds())),
	}}
	answer, err := client.CoreV1().ServiceAccounts(SystemNamespace).CreateToken(ctx, ServiceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("requesting a token for ServiceAccount %s/%s: %w", SystemNamespace, ServiceAccount, err)
	}
	authority, err := os.ReadFile(paths.clusterCA())
	if err != nil {
		return fmt.Errorf("reading the cluster's authority: %w", err)
	}
	config := tokenKubeconfig(admin.Host, authority, answer.Status.Token)
	if err := clientcmd.WriteToFile(config, paths.serverKubeconfig()); err != nil {
		return fmt.Errorf("writing the server's kubeconfig: %w", err)
	}
	return nil
}

// tokenKubeconfig is a kubeconfig for whoever the token belongs to.
func tokenKubeconfig(server string, authority []byte, token string) clientcmdapi.Config {
	const name = "local"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: authority}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return *config
}
