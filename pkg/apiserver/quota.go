// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"io"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota/apis/resourcequota/validation"

	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
)

// quotaWorkers check quotas at the same time, as many as in kube-apiserver.
const quotaWorkers = 5

// registerQuota registers ResourceQuota in the form that counts a claim once.
func registerQuota(plugins *admission.Plugins) {
	plugins.Register(resourcequota.PluginName, func(config io.Reader) (admission.Interface, error) {
		configuration, err := resourcequota.LoadConfiguration(config)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration of ResourceQuota: %w", err)
		}
		if configuration != nil {
			if errs := validation.ValidateConfiguration(configuration); len(errs) > 0 {
				return nil, errs.ToAggregate()
			}
		}
		quota, err := resourcequota.NewResourceQuota(configuration, quotaWorkers)
		if err != nil {
			return nil, err
		}
		return &quotaOnce{QuotaAdmission: quota}, nil
	})
}

// quotaOnce is ResourceQuota for requests that are admitted more than once: a
// claim that loses a race is admitted again, with the next Sandbox, and would
// otherwise be counted for each of them until the quota is recounted.
type quotaOnce struct {
	*resourcequota.QuotaAdmission
}

func (q *quotaOnce) Validate(ctx context.Context, attributes admission.Attributes, interfaces admission.ObjectInterfaces) error {
	if attributes.GetSubresource() != "" {
		return q.QuotaAdmission.Validate(ctx, attributes, interfaces)
	}
	return claim.ChargeOnce(ctx, attributes.GetResource().GroupResource(), func() error {
		return q.QuotaAdmission.Validate(ctx, attributes, interfaces)
	})
}
