// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"

	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/path"
	"k8s.io/apiserver/pkg/authorization/union"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
)

// NewAuthorizer delegates to the cluster as the stock options do, but over a
// client without a rate limit: theirs lets 200 checks a second through, and a
// check is cached by object name, so it would cap every non-admin there.
func NewAuthorizer(options *genericoptions.DelegatingAuthorizationOptions, kube *rest.Config) (authorizer.Authorizer, error) {
	config := rest.CopyConfig(kube)
	config.QPS, config.Timeout = -1, options.ClientTimeout
	client, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client for subject access reviews: %w", err)
	}
	delegated, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client,
		AllowCacheTTL:             options.AllowCacheTTL,
		DenyCacheTTL:              options.DenyCacheTTL,
		WebhookRetryBackoff:       options.WebhookRetryBackoff,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("making the delegated authorizer: %w", err)
	}
	paths, err := path.NewAuthorizer(options.AlwaysAllowPaths)
	if err != nil {
		return nil, fmt.Errorf("reading the paths that are always allowed: %w", err)
	}
	return union.New(
		union.NamedAuthorizer{AuthorizerName: "always-allow-groups", Authorizer: authorizerfactory.NewPrivilegedGroups(options.AlwaysAllowGroups...)},
		union.NamedAuthorizer{AuthorizerName: "always-allow-paths", Authorizer: paths},
		union.NamedAuthorizer{AuthorizerName: "cluster", Authorizer: delegated},
	)
}
