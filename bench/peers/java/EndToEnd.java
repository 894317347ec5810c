import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Sends at a fixed rate what the same process receives; the body carries the time of its send. */
class EndToEnd {
    private static final int GRACE_SECONDS = 3;

    private final Job job;
    private final Latencies latencies;
    private final byte[] template;
    private final AtomicInteger received = new AtomicInteger();
    private final AtomicInteger receivedInWindow = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private volatile long from = Long.MAX_VALUE;
    private int sent;

    EndToEnd(Job job) {
        this.job = job;
        latencies = new Latencies(job.messages);
        template = job.body();
    }

    Outcome run() throws Exception {
        DefaultMQPushConsumer consumer = Consumes.pushConsumer(job, false, this::receive);
        DefaultMQProducer producer = Sends.connect(job);
        try {
            send(producer);
            while (received.get() == 0) TimeUnit.MILLISECONDS.sleep(1);
            pace(producer, job.warmUp, job.warmUpRate);
            long warm = System.nanoTime() + TimeUnit.SECONDS.toNanos(GRACE_SECONDS);
            while (received.get() < sent && System.nanoTime() < warm) TimeUnit.MILLISECONDS.sleep(1);
            Window window = new Window();
            from = System.nanoTime();
            pace(producer, job.messages, job.rate);
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(GRACE_SECONDS);
            while (receivedInWindow.get() < job.messages && System.nanoTime() < end) TimeUnit.MILLISECONDS.sleep(1);
            Outcome outcome = new Outcome();
            window.stop(outcome);
            outcome.messages = receivedInWindow.get();
            outcome.total = sent;
            outcome.latency = latencies.summary();
            int missing = job.messages - receivedInWindow.get();
            if (missing != 0) outcome.fault = missing + " of " + job.messages + " messages did not come";
            if (failure.get() != null) outcome.fault = failure.get().toString();
            return outcome;
        } finally {
            producer.shutdown();
            consumer.shutdown();
        }
    }

    private void pace(DefaultMQProducer producer, int messages, int rate) throws Exception {
        long startedAt = System.nanoTime();
        int done = 0;
        while (done < messages) {
            long due = Math.min(messages, (System.nanoTime() - startedAt) * rate / 1_000_000_000 + 1);
            for (; done < due; done++) send(producer);
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    private void send(DefaultMQProducer producer) throws Exception {
        byte[] body = template.clone();
        ByteBuffer.wrap(body).putLong(System.nanoTime());
        sent++;
        producer.send(new Message(job.topic, "TagA", body), new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
            }

            @Override
            public void onException(Throwable error) {
                failure.compareAndSet(null, error);
            }
        });
    }

    private void receive(List<MessageExt> messages) {
        long now = System.nanoTime();
        for (MessageExt message : messages) {
            received.incrementAndGet();
            long sentAt = ByteBuffer.wrap(message.getBody()).getLong();
            if (sentAt < from) continue;
            latencies.record(now - sentAt);
            receivedInWindow.incrementAndGet();
        }
    }
}
