// SPDX-License-Identifier: Apache-2.0

package options

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apiserver"
)

// Validate returns everything that is wrong, each naming its flag.
func (c Completed) Validate() []error {
	errs := slices.Concat(c.Server.Validate(), c.Recommended.Validate(), c.Globals.Validate(), apiserver.ValidateEtcd(c.Recommended.Etcd))
	if c.EmbeddedEtcd != nil && c.DataDir == "" {
		errs = append(errs, fmt.Errorf("--data-dir is empty: give a directory for the embedded etcd, or --etcd-servers"))
	}
	errs = append(errs, c.validateEtcdCertificates()...)
	if messages := validation.IsDNS1123Subdomain(c.ClusterDomain); len(messages) > 0 {
		errs = append(errs, fmt.Errorf("--cluster-domain %q: %v", c.ClusterDomain, messages))
	}
	if c.MaxPoolReplicas < 0 {
		errs = append(errs, fmt.Errorf("--max-pool-replicas %d: must be 0 or more", c.MaxPoolReplicas))
	}
	if messages := validation.IsDNS1123Label(c.LeaseNamespace); len(messages) > 0 {
		errs = append(errs, fmt.Errorf("--leader-elect-namespace %q: %v", c.LeaseNamespace, messages))
	}
	if err := c.Certificate.validate(); err != nil {
		errs = append(errs, err)
	}
	return append(errs, c.validateConfirmation()...)
}

// validateConfirmation looks at what is said of a loss.
func (o *Options) validateConfirmation() []error {
	var errs []error
	for flag, epoch := range map[string]string{"--confirm-storage-epoch": o.ConfirmStorageEpoch, "--confirm-storage-complete": o.ConfirmStorageComplete} {
		if messages := validation.IsDNS1123Label(epoch); epoch != "" && len(messages) > 0 {
			errs = append(errs, fmt.Errorf("%s %q: give the epoch as ConfigMap sandbox-apiserver-storage has it: %v", flag, epoch, messages))
		}
	}
	if o.ConfirmStorageComplete != "" && o.ConfirmStorageEpoch == "" {
		errs = append(errs, fmt.Errorf("--confirm-storage-complete %q: it says nothing without --confirm-storage-epoch, which takes the same epoch", o.ConfirmStorageComplete))
	}
	return errs
}
