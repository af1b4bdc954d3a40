// SPDX-License-Identifier: Apache-2.0

package warmindex

// Count notes how a claim of the pool was answered, for the Collector. The counts of a pool begin when it is tracked and
// end with it: what is no pool has none, so nobody can make series by naming one.
func (i *Index[T]) Count(pool Key, outcome string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.pools[pool]
	if p == nil || !p.tracked {
		return
	}
	if p.answered == nil {
		p.answered = map[string]uint64{}
	}
	p.answered[outcome]++
}
