// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"maps"
	"slices"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// chattyLevel is the klog verbosity from which etcd's info lines are shown.
const chattyLevel klog.Level = 4

// newLogger sends etcd's log through klog: warnings and worse always, until
// stopping is true. An orderly stop makes etcd log closed listeners and
// cancelled requests as errors; from then on only what ends the process shows.
func newLogger(stopping *atomic.Bool) *zap.Logger {
	return zap.New(klogCore{stopping: stopping})
}

// klogCore is a zapcore.Core over klog. It is a value: With copies.
type klogCore struct {
	stopping *atomic.Bool
	fields   []zapcore.Field
}

func (c klogCore) Enabled(level zapcore.Level) bool {
	quietBelow := zapcore.WarnLevel
	if c.stopping.Load() {
		quietBelow = zapcore.DPanicLevel
	}
	return level >= quietBelow || level >= zapcore.InfoLevel && klog.V(chattyLevel).Enabled()
}

func (c klogCore) With(fields []zapcore.Field) zapcore.Core {
	return klogCore{stopping: c.stopping, fields: slices.Concat(c.fields, fields)}
}

func (c klogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(entry.Level) {
		return checked
	}
	return checked.AddCore(entry, c)
}

func (c klogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(c.fields, fields) {
		f.AddTo(encoder)
	}
	keysAndValues := []any{"level", entry.Level.String()}
	for _, key := range slices.Sorted(maps.Keys(encoder.Fields)) {
		keysAndValues = append(keysAndValues, key, encoder.Fields[key])
	}
	if entry.Level < zapcore.ErrorLevel {
		klog.InfoS("etcd: "+entry.Message, keysAndValues...)
		return nil
	}
	klog.ErrorS(nil, "etcd: "+entry.Message, keysAndValues...)
	if entry.Level > zapcore.ErrorLevel {
		// zap ends the process after this write.
		klog.Flush()
	}
	return nil
}

func (klogCore) Sync() error {
	klog.Flush()
	return nil
}
