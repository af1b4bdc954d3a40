// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"runtime/debug"

	apimachineryversion "k8s.io/apimachinery/pkg/version"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// stamped is the release, set by the linker: see the Makefile.
var stamped string

// unknownVersion is that of a binary that was built without a repository, such as a test.
const unknownVersion = "v0.0.0-unknown"

// currentVersion is ours. That of k8s.io/component-base stays what it is: Kubernetes' libraries
// take it for the version of Kubernetes, and decide by it which features there are.
func currentVersion() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(stamped, info)
}

// versionOf is the release, or what Go has read from the repository: a tag, or the
// time and the commit.
func versionOf(release string, info *debug.BuildInfo) string {
	built := ""
	if info != nil && info.Main.Version != "(devel)" {
		built = info.Main.Version
	}
	return cmp.Or(release, built, unknownVersion)
}

// ownVersion has /version tell ours, beside the versions of Kubernetes that are emulated.
type ownVersion struct {
	basecompatibility.EffectiveVersion
}

func (v ownVersion) Info() *apimachineryversion.Info {
	info := v.EffectiveVersion.Info()
	if info != nil {
		info.GitVersion, info.GitCommit, info.GitTreeState, info.BuildDate = currentVersion(), "", "", ""
	}
	return info
}

var buildInfo = metrics.NewGaugeVec(&metrics.GaugeOpts{
	Namespace: "sandbox_apiserver", Name: "build_info", StabilityLevel: metrics.ALPHA,
	Help: "Always 1, with the version of this server. That of kubernetes_build_info is not ours.",
}, []string{"version"})

func reportVersion() {
	// Another server of this process may have been before.
	_ = legacyregistry.Register(buildInfo)
	buildInfo.WithLabelValues(currentVersion()).Set(1)
}
