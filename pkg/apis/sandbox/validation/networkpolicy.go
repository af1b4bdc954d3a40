// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// validateNetworkPolicy refuses what kube-apiserver would refuse in the
// NetworkPolicy that is made of it, where only the template's author can act.
func validateNetworkPolicy(policy *sandbox.NetworkPolicySpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range policy.Ingress {
		rule, path := &policy.Ingress[i], path.Child("ingress").Index(i)
		errs = append(errs, validatePolicyPorts(rule.Ports, path.Child("ports"))...)
		errs = append(errs, validatePolicyPeers(rule.From, path.Child("from"))...)
	}
	for i := range policy.Egress {
		rule, path := &policy.Egress[i], path.Child("egress").Index(i)
		errs = append(errs, validatePolicyPorts(rule.Ports, path.Child("ports"))...)
		errs = append(errs, validatePolicyPeers(rule.To, path.Child("to"))...)
	}
	return errs
}

func validatePolicyPorts(ports []networkingv1.NetworkPolicyPort, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range ports {
		port, path := &ports[i], path.Index(i)
		if port.Protocol != nil {
			errs = append(errs, validateEnum(*port.Protocol, path.Child("protocol"),
				corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)...)
		}
		if port.Port != nil {
			errs = append(errs, validatePort(*port.Port, path.Child("port"))...)
		}
		if port.EndPort != nil {
			errs = append(errs, validateEndPort(*port.EndPort, port.Port, path.Child("endPort"))...)
		}
	}
	return errs
}

func validatePort(port intstr.IntOrString, path *field.Path) field.ErrorList {
	if port.Type == intstr.String {
		return invalid(path, port.StrVal, utilvalidation.IsValidPortName(port.StrVal))
	}
	return invalid(path, port.IntVal, utilvalidation.IsValidPortNum(int(port.IntVal)))
}

func validateEndPort(end int32, start *intstr.IntOrString, path *field.Path) field.ErrorList {
	switch {
	case start == nil || start.Type != intstr.Int:
		return field.ErrorList{field.Invalid(path, end, "needs a numeric port where the range starts")}
	case end < start.IntVal:
		return field.ErrorList{field.Invalid(path, end, "must be the port where the range starts, or more")}
	default:
		return invalid(path, end, utilvalidation.IsValidPortNum(int(end)))
	}
}

func validatePolicyPeers(peers []networkingv1.NetworkPolicyPeer, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range peers {
		errs = append(errs, validatePolicyPeer(&peers[i], path.Index(i))...)
	}
	return errs
}

func validatePolicyPeer(peer *networkingv1.NetworkPolicyPeer, path *field.Path) field.ErrorList {
	selects := peer.PodSelector != nil || peer.NamespaceSelector != nil
	switch {
	case !selects && peer.IPBlock == nil:
		return field.ErrorList{field.Required(path, "one of podSelector, namespaceSelector and ipBlock")}
	case selects && peer.IPBlock != nil:
		return field.ErrorList{field.Forbidden(path, "ipBlock cannot be combined with selectors: make it a peer of its own")}
	case peer.IPBlock != nil:
		return validateIPBlock(peer.IPBlock, path.Child("ipBlock"))
	}
	options := metav1validation.LabelSelectorValidationOptions{}
	errs := metav1validation.ValidateLabelSelector(peer.PodSelector, options, path.Child("podSelector"))
	return append(errs, metav1validation.ValidateLabelSelector(peer.NamespaceSelector, options, path.Child("namespaceSelector"))...)
}

func validateIPBlock(block *networkingv1.IPBlock, path *field.Path) field.ErrorList {
	if block.CIDR == "" {
		return field.ErrorList{field.Required(path.Child("cidr"), `for example "10.0.0.0/8" or "2001:db8::/32"`)}
	}
	outer, errs := parseCIDR(block.CIDR, path.Child("cidr"))
	if len(errs) > 0 {
		return errs
	}
	for i, except := range block.Except {
		path := path.Child("except").Index(i)
		inner, bad := parseCIDR(except, path)
		if len(bad) == 0 && !strictlyWithin(inner, outer) {
			bad = field.ErrorList{field.Invalid(path, except, "must be a part of "+block.CIDR)}
		}
		errs = append(errs, bad...)
	}
	return errs
}

// parseCIDR is as strict as kube-apiserver is by default: no leading zeros, no
// bits behind the prefix.
func parseCIDR(value string, path *field.Path) (netip.Prefix, field.ErrorList) {
	const strict = true
	if errs := utilvalidation.IsValidCIDRForLegacyField(path, value, strict, nil); len(errs) > 0 {
		return netip.Prefix{}, errs
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return netip.Prefix{}, field.ErrorList{field.Invalid(path, value, err.Error())}
	}
	return prefix, nil
}

func strictlyWithin(inner, outer netip.Prefix) bool {
	return inner.Bits() > outer.Bits() && outer.Contains(inner.Addr())
}

func invalid(path *field.Path, value any, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, msg := range messages {
		errs = append(errs, field.Invalid(path, value, msg))
	}
	return errs
}
