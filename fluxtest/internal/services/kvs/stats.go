package kvs

// size summarizes the sizes of blobs.
type size struct {
	Count  int     `json:"count"`
	Min    int64   `json:"min"`
	Mean   float64 `json:"mean"`
	Stddev float64 `json:"stddev"`
	Max    int64   `json:"max"`
}

func kvsStats(r *request) {
	type namespace struct {
		Waiters      int   `json:"#versionwaiters"`
		NoOps        int   `json:"#no-op stores"`
		Transactions int   `json:"#transactions"`
		Ready        int   `json:"#readytransactions"`
		Revision     int64 `json:"store revision"`
	}
	type cache struct {
		Total      float64 `json:"obj size total (MiB)"`
		Size       size    `json:"obj size (KiB)"`
		Dirty      int     `json:"#obj dirty"`
		Incomplete int     `json:"#obj incomplete"`
		Faults     int     `json:"#faults"`
	}
	namespaces := make(map[string]namespace)
	for name, v := range r.rank.views {
		namespaces[name] = namespace{Waiters: len(v.waiters), Transactions: len(v.queue), Revision: v.seq}
	}
	c := r.s.content
	r.Respond(struct {
		Cache      cache                `json:"cache"`
		Namespaces map[string]namespace `json:"namespace"`
		Ops        map[string]size      `json:"transaction-opcount"`
		Pending    int                  `json:"pending_requests"`
	}{
		cache{Total: float64(c.bytes) / (1 << 20), Size: size{Count: len(c.blobs)}},
		namespaces, map[string]size{"commit": {Count: r.s.seq}}, 0,
	})
}

func watchStats(r *request) {
	type namespace struct {
		Owner    int32  `json:"owner"`
		RootSeq  int64  `json:"rootseq"`
		RootRef  string `json:"rootref"`
		Watchers int    `json:"watchers"`
	}
	namespaces := make(map[string]namespace)
	for name, m := range r.rank.monitors {
		n := namespace{int32(m.owner), -1, "(null)", m.watchers.Len()}
		if m.commit != nil {
			n.RootSeq, n.RootRef = m.commit.seq, m.commit.ref
		}
		namespaces[name] = n
	}
	r.Respond(struct {
		Watchers   int                  `json:"watchers"`
		Count      int                  `json:"namespace-count"`
		Namespaces map[string]namespace `json:"namespaces"`
	}{len(r.rank.watchers), len(namespaces), namespaces})
}

func contentStats(r *request) {
	c := r.s.content
	type mmap struct {
		Tags  struct{} `json:"tags"`
		Blobs int      `json:"blobs"`
	}
	r.Respond(struct {
		Count   int   `json:"count"`
		Valid   int   `json:"valid"`
		Dirty   int   `json:"dirty"`
		Size    int64 `json:"size"`
		Flushes int   `json:"flush-batch-count"`
		Mmap    mmap  `json:"mmap"`
	}{len(c.blobs), len(c.blobs), 0, c.bytes, 0, mmap{}})
}
