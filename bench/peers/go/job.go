package main

// Job is what the program is to do: the same names as in bench/clients/job.ts.
type Job struct {
	Kind        string `json:"kind"`
	NamesrvAddr string `json:"namesrvAddr"`
	Topic       string `json:"topic"`
	Group       string `json:"group"`
	BodySize    int    `json:"bodySize"`
	InFlight    int    `json:"inFlight"`
	Batch       int    `json:"batch"`
	Rate        int64  `json:"rate"`
	WarmUpRate  int64  `json:"warmUpRate"`
	WarmUp      int64  `json:"warmUp"`
	Messages    int64  `json:"messages"`
	MaxWarmUp   int64  `json:"maxWarmUp"`
	MaxWindow   int64  `json:"maxWindow"`
	Deadline    int64  `json:"deadline"`
}

// Outcome is what was measured: the same names as in bench/clients/job.ts.
type Outcome struct {
	Messages int64    `json:"messages"`
	Seconds  float64  `json:"seconds"`
	CPU      float64  `json:"cpu"`
	PeakRss  int64    `json:"peakRss"`
	Total    int64    `json:"total"`
	Latency  *Latency `json:"latency,omitempty"`
	Fault    string   `json:"fault,omitempty"`
}

// Latency has percentiles, in microseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

func (job *Job) body() []byte {
	body := make([]byte, job.BodySize)
	for i := range body {
		body[i] = byte(32 + (i*31+(i>>5)*17)%95)
	}
	return body
}
