package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const grace = 3 * time.Second

// runEndToEnd sends at a fixed rate what the same process receives; the body carries the time of its send.
func runEndToEnd(job *Job) (*Outcome, error) {
	base := time.Now()
	template := job.body()
	latencies := newLatencies(job.Messages)
	var from, received, receivedInWindow, sent atomic.Int64
	from.Store(1 << 62)
	receive := func(messages []*primitive.MessageExt) {
		now := int64(time.Since(base))
		for _, message := range messages {
			received.Add(1)
			sentAt := int64(binary.BigEndian.Uint64(message.Body))
			if sentAt < from.Load() {
				continue
			}
			latencies.record(time.Duration(now - sentAt))
			receivedInWindow.Add(1)
		}
	}
	if err := startConsumer(job, receive); err != nil {
		return nil, err
	}
	client, err := newProducer(job)
	if err != nil {
		return nil, err
	}
	var failure atomic.Pointer[error]
	send := func() {
		body := append([]byte(nil), template...)
		binary.BigEndian.PutUint64(body, uint64(time.Since(base)))
		sent.Add(1)
		err := client.SendAsync(context.Background(), func(_ context.Context, _ *primitive.SendResult, err error) {
			if err != nil {
				failure.Store(&err)
			}
		}, newMessage(job, body))
		if err != nil {
			failure.Store(&err)
		}
	}
	send()
	for received.Load() == 0 && failure.Load() == nil {
		time.Sleep(time.Millisecond)
	}
	pace(job.WarmUpRate, job.WarmUp, send)
	for end := time.Now().Add(grace); received.Load() < sent.Load() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	outcome := &Outcome{}
	window := startWindow()
	from.Store(int64(time.Since(base)))
	pace(job.Rate, job.Messages, send)
	for end := time.Now().Add(grace); receivedInWindow.Load() < job.Messages && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	window.stop(outcome)
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	outcome.Messages = receivedInWindow.Load()
	outcome.Total = sent.Load()
	outcome.Latency = latencies.summary()
	if missing := job.Messages - outcome.Messages; missing != 0 {
		outcome.Fault = fmt.Sprintf("%d of %d messages did not come", missing, job.Messages)
	}
	return outcome, nil
}

func pace(rate int64, messages int64, send func()) {
	startedAt := time.Now()
	for done := int64(0); done < messages; {
		due := min(messages, int64(time.Since(startedAt))*rate/int64(time.Second)+1)
		for ; done < due; done++ {
			send()
		}
		time.Sleep(time.Millisecond)
	}
}
