package rewrite

// MaxCluster is how many bytes are looked at as a whole at most. Alternatives are 255 bytes
// long at most, and do not come in chains.
const MaxCluster = 4096

// A Reader compares parts of a cluster: a stretch of code with sites that overlap, of which
// one was rewritten over another.
type Reader interface {
	// Read tries the k-th way, from 0, to read what run has at an address. It returns
	// where what it read ends, and whether that is legal; more is false when there is no
	// k-th way.
	Read(at uint64, k int) (end uint64, ok, more bool)
	// Mark returns a mark of what was found so far, and Reset forgets what was found since.
	Mark() Mark
	Reset(Mark)
}

// A Mark says how much a [Reader] has found, in figures of its own.
type Mark [2]int

// A Cluster says which places of a stretch of code were found to lead nowhere, so that each is
// looked at once, whatever the ways to it.
type Cluster struct {
	lo, hi uint64
	dead   []bool // by distance from lo
}

// Holds reports whether all of [lo, hi) is legal, read part by part, where [MaxCluster] bounds
// its length. What r has found then stays.
func (c *Cluster) Holds(r Reader, lo, hi uint64) bool {
	if hi-lo > MaxCluster {
		return false
	}
	c.lo, c.hi, c.dead = lo, hi, c.dead[:0]
	for range hi - lo {
		c.dead = append(c.dead, false)
	}
	return c.from(r, lo)
}

// from is Holds for what begins at an address.
func (c *Cluster) from(r Reader, at uint64) bool {
	if at == c.hi {
		return true
	}
	if at > c.hi || c.dead[at-c.lo] {
		return false
	}
	mark := r.Mark()
	for k := 0; ; k++ {
		end, ok, more := r.Read(at, k)
		if !more {
			break
		}
		if ok && c.from(r, end) {
			return true
		}
		r.Reset(mark)
	}
	c.dead[at-c.lo] = true
	return false
}
