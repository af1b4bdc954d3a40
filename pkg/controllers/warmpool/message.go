// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// maxMessage is the longest text of a condition or an Event, in bytes; the Events API takes no more.
const maxMessage = 1024

// explain says what keeps members from being Ready, worst first. Of each kind it
// quotes the oldest, which stays the same while others come and go: a text that
// changes is a write.
func explain(members []member) string {
	var texts []string
	for _, kind := range []struct {
		health health
		are    string
	}{
		{finished, "ended"},
		{stuck, "did not become Ready in time"},
		{unplaced, "cannot run yet"},
		{starting, "are starting"},
	} {
		if text := explainKind(members, kind.health, kind.are); text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "; ")
}

func explainKind(members []member, kind health, are string) string {
	number, oldest := 0, -1
	for i := range members {
		m := &members[i]
		if m.health != kind {
			continue
		}
		number++
		if m.message != "" && (oldest < 0 || older(m, &members[oldest])) {
			oldest = i
		}
	}
	if number == 0 {
		return ""
	}
	text := fmt.Sprintf("%d %s", number, are)
	if oldest >= 0 {
		text += fmt.Sprintf(", for example %q: %s", members[oldest].name, members[oldest].message)
	}
	return text
}

func older(a, b *member) bool {
	if !a.created.Equal(b.created) {
		return a.created.Before(b.created)
	}
	return a.name < b.name
}

// errorMessage is the text of a refused create without what differs at each try: the
// name that was tried, or the port of a broken connection.
func errorMessage(err error, pool string) string {
	var status apierrors.APIStatus
	var create *createError
	switch {
	case !errors.As(err, &create):
		return clip(err.Error())
	case !errors.As(err, &status) && !errors.Is(err, errTaken):
		return "creating a Sandbox: the server does not answer"
	default:
		return clip("creating a Sandbox: " + strings.ReplaceAll(create.err.Error(), create.name, pool+"-*"))
	}
}

func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	end := maxMessage - len("…")
	for !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "…"
}
