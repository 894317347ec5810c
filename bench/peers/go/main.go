// Measures the Go client: the job is the first argument, its outcome a line on standard output.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

func main() {
	rlog.SetLogLevel("fatal")
	job := &Job{}
	if err := json.Unmarshal([]byte(os.Args[1]), job); err != nil {
		fail(err)
	}
	time.AfterFunc(time.Duration(job.Deadline)*time.Millisecond, func() {
		fail(fmt.Errorf("not done after %d ms", job.Deadline))
	})
	outcome, err := run(job)
	if err != nil {
		fail(err)
	}
	outcome.PeakRss = peakRss()
	line, err := json.Marshal(outcome)
	if err != nil {
		fail(err)
	}
	fmt.Printf("outcome %s\n", line)
}

func run(job *Job) (*Outcome, error) {
	switch job.Kind {
	case "pull":
		return nil, fmt.Errorf("the Go client has no %s that is measured", job.Kind)
	case "push", "ordered":
		return runConsumes(job)
	case "end-to-end":
		return runEndToEnd(job)
	default:
		return runSends(job)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
