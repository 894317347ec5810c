package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const never = 1 << 30

func newProducer(job *Job) (rocketmq.Producer, error) {
	client, err := rocketmq.NewProducer(
		producer.WithNameServer([]string{job.NamesrvAddr}),
		producer.WithGroupName(job.Group),
		producer.WithSendMsgTimeout(30*time.Second),
		producer.WithCompressMsgBodyOverHowmuch(never),
	)
	if err != nil {
		return nil, err
	}
	return client, client.Start()
}

// runSends sends by as many goroutines as sends are to be in flight.
func runSends(job *Job) (*Outcome, error) {
	client, err := newProducer(job)
	if err != nil {
		return nil, err
	}
	each := int64(1)
	if job.Kind == "batch" {
		each = int64(job.Batch)
	}
	requests := (job.Messages + each - 1) / each
	warmUp, err := sendMany(client, job, (job.WarmUp+each-1)/each, job.MaxWarmUp, newLatencies(0))
	if err != nil {
		return nil, err
	}
	capacity := requests
	if job.Kind == "oneway" {
		capacity = 0
	}
	latencies := newLatencies(capacity)
	outcome := &Outcome{}
	window := startWindow()
	sent, err := sendMany(client, job, requests, job.MaxWindow, latencies)
	window.stop(outcome)
	if err != nil {
		return nil, err
	}
	outcome.Messages = sent * each
	outcome.Total = (warmUp + sent) * each
	outcome.Latency = latencies.summary()
	return outcome, nil
}

func sendMany(client rocketmq.Producer, job *Job, requests int64, maxMilliseconds int64, latencies *Latencies) (int64, error) {
	end := time.Now().Add(time.Duration(maxMilliseconds) * time.Millisecond)
	body := job.body()
	var started atomic.Int64
	var sent atomic.Int64
	var failure atomic.Pointer[error]
	var loops sync.WaitGroup
	for i := 0; i < job.InFlight; i++ {
		loops.Add(1)
		go func() {
			defer loops.Done()
			for failure.Load() == nil && time.Now().Before(end) && started.Add(1) <= requests {
				from := time.Now()
				if err := sendOne(client, job, body); err != nil {
					failure.Store(&err)
					return
				}
				latencies.record(time.Since(from))
				sent.Add(1)
			}
		}()
	}
	loops.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return sent.Load(), nil
}

func sendOne(client rocketmq.Producer, job *Job, body []byte) error {
	if job.Kind == "oneway" {
		return client.SendOneWay(context.Background(), newMessage(job, body))
	}
	if job.Kind != "batch" {
		_, err := client.SendSync(context.Background(), newMessage(job, body))
		return err
	}
	messages := make([]*primitive.Message, job.Batch)
	for i := range messages {
		messages[i] = newMessage(job, body)
	}
	_, err := client.SendSync(context.Background(), messages...)
	return err
}

func newMessage(job *Job, body []byte) *primitive.Message {
	return primitive.NewMessage(job.Topic, body).WithTag("TagA")
}
