package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

func startConsumer(job *Job, receive func([]*primitive.MessageExt)) error {
	client, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer([]string{job.NamesrvAddr}),
		consumer.WithGroupName(job.Group+"-consumer"),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumerOrder(job.Kind == "ordered"),
		consumer.WithPullBatchSize(int32(job.Batch)),
	)
	if err != nil {
		return err
	}
	handler := func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		receive(messages)
		return consumer.ConsumeSuccess, nil
	}
	if err := client.Subscribe(job.Topic, consumer.MessageSelector{}, handler); err != nil {
		return err
	}
	return client.Start()
}

type backlog struct {
	job      *Job
	mutex    sync.Mutex
	received atomic.Int64
	warmUp   int64
	window   atomic.Pointer[Window]
	isOver   bool
	outcome  Outcome
	done     chan struct{}
}

// runConsumes reads a backlog with a handler that only counts.
func runConsumes(job *Job) (*Outcome, error) {
	reader := &backlog{job: job, done: make(chan struct{})}
	if err := startConsumer(job, reader.receive); err != nil {
		return nil, err
	}
	for reader.received.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	reader.wait(job.MaxWarmUp)
	reader.start()
	reader.wait(job.MaxWindow)
	reader.stop()
	return &reader.outcome, nil
}

func (reader *backlog) receive(messages []*primitive.MessageExt) {
	for _, message := range messages {
		if len(message.Body) != reader.job.BodySize {
			reader.mutex.Lock()
			reader.outcome.Fault = fmt.Sprintf("a body of %d bytes", len(message.Body))
			reader.mutex.Unlock()
		}
	}
	total := reader.received.Add(int64(len(messages)))
	if total >= reader.job.WarmUp && reader.window.Load() == nil {
		reader.start()
	}
	if reader.window.Load() != nil && total >= reader.warmUp+reader.job.Messages {
		reader.stop()
	}
}

func (reader *backlog) start() {
	reader.mutex.Lock()
	defer reader.mutex.Unlock()
	if reader.window.Load() == nil {
		reader.warmUp = reader.received.Load()
		reader.window.Store(startWindow())
	}
}

func (reader *backlog) stop() {
	reader.mutex.Lock()
	defer reader.mutex.Unlock()
	if reader.isOver {
		return
	}
	reader.isOver = true
	reader.window.Load().stop(&reader.outcome)
	reader.outcome.Total = reader.received.Load()
	reader.outcome.Messages = reader.outcome.Total - reader.warmUp
	close(reader.done)
}

func (reader *backlog) wait(milliseconds int64) {
	select {
	case <-reader.done:
	case <-time.After(time.Duration(milliseconds) * time.Millisecond):
	}
}
