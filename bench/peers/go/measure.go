package main

import (
	"math"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Window measures time and CPU time of this process from its making to its stop.
type Window struct {
	startedAt time.Time
	cpu       float64
}

func startWindow() *Window {
	return &Window{startedAt: time.Now(), cpu: cpuMicroseconds()}
}

func (window *Window) stop(outcome *Outcome) {
	outcome.Seconds = time.Since(window.startedAt).Seconds()
	outcome.CPU = cpuMicroseconds() - window.cpu
}

func cpuMicroseconds() float64 {
	usage := usage()
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1000
}

func usage() syscall.Rusage {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage
}

// peakRss is in bytes. What the system counts for a process includes its parent's memory at the fork; Linux also tells its own peak.
func peakRss() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		usage := usage()
		return int64(usage.Maxrss)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		panic(err)
	}
	return kilobytes * 1024
}

// Latencies keeps the latencies of a window and tells their percentiles.
type Latencies struct {
	values []int64
	count  atomic.Int64
}

func newLatencies(capacity int64) *Latencies {
	return &Latencies{values: make([]int64, capacity)}
}

func (latencies *Latencies) record(value time.Duration) {
	index := latencies.count.Add(1) - 1
	if index < int64(len(latencies.values)) {
		latencies.values[index] = int64(value)
	}
}

func (latencies *Latencies) summary() *Latency {
	length := min(latencies.count.Load(), int64(len(latencies.values)))
	if length == 0 {
		return nil
	}
	sorted := latencies.values[:length]
	sort.Slice(sorted, func(a, b int) bool { return sorted[a] < sorted[b] })
	at := func(share float64) float64 {
		index := min(length-1, int64(math.Ceil(float64(length)*share))-1)
		return float64(sorted[index]) / 1000
	}
	return &Latency{P50: at(0.5), P99: at(0.99), P999: at(0.999)}
}
