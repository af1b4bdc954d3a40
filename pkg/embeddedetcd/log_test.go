// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"bytes"
	"errors"
	"flag"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

func TestLogGoesThroughKlog(t *testing.T) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(flags)
	require.NoError(t, flags.Parse([]string{"-logtostderr=false", "-stderrthreshold=FATAL"}))
	defer func() { require.NoError(t, flags.Parse([]string{"-logtostderr=true"})) }()
	var out bytes.Buffer
	klog.SetOutput(&out)
	logged := func() string {
		klog.Flush()
		defer out.Reset()
		return out.String()
	}

	var stopping atomic.Bool
	logger := newLogger(&stopping).With(zap.String("member", "embedded"))
	logger.Info("chatter")
	assert.Empty(t, logged())
	logger.Warn("slow disk", zap.Error(errors.New("took too long")))
	assert.Regexp(t, `^I.*"etcd: slow disk" level="warn" error="took too long" member="embedded"\n$`, logged())
	logger.Error("broken disk")
	assert.Regexp(t, `^E.*"etcd: broken disk"`, logged())

	stopping.Store(true)
	logger.Error("listener closed")
	assert.Empty(t, logged())
}
