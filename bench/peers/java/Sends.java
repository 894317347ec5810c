import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/** Sends by one thread: synchronously one at a time, with callbacks when several are in flight. */
class Sends {
    private static final int SEND_TIMEOUT = 30_000;
    /**
     * Of oneway sends, one in so many is awaited. NettyRemotingClient begins them on its event loop, where NettyRemotingAbstract.invokeOnewayImpl waits for one of 65,535 permits: when
     * as many wait for the socket, the loop waits for what only it can give back, until the timeout of each.
     */
    private static final int ONEWAY_BURST = 10_000;

    private final Job job;
    private final byte[] body;
    private final DefaultMQProducer producer;
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    Sends(Job job) throws Exception {
        this.job = job;
        this.body = job.body();
        producer = connect(job);
    }

    static DefaultMQProducer connect(Job job) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(job.group);
        producer.setNamesrvAddr(job.namesrvAddr);
        producer.setInstanceName(job.group);
        producer.setSendMsgTimeout(SEND_TIMEOUT);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.start();
        return producer;
    }

    Outcome run() throws Exception {
        int each = job.kind.equals("batch") ? job.batch : 1;
        int requests = (job.messages + each - 1) / each;
        Outcome outcome = new Outcome();
        try {
            long warmUp = send((job.warmUp + each - 1) / each, job.maxWarmUp, new Latencies(0));
            Latencies latencies = new Latencies(job.kind.equals("oneway") ? 0 : requests);
            Window window = new Window();
            long sent = send(requests, job.maxWindow, latencies);
            window.stop(outcome);
            outcome.messages = sent * each;
            outcome.total = (warmUp + sent) * each;
            outcome.latency = latencies.summary();
        } finally {
            // Oneway sends are still being written.
            if (job.kind.equals("oneway")) TimeUnit.MILLISECONDS.sleep(500);
            producer.shutdown();
        }
        if (failure.get() != null) throw new IllegalStateException(failure.get());
        return outcome;
    }

    private long send(int requests, long maxMilliseconds, Latencies latencies) throws Exception {
        long end = System.nanoTime() + maxMilliseconds * 1_000_000;
        Semaphore places = new Semaphore(job.inFlight);
        int sent = 0;
        while (sent < requests && System.nanoTime() < end) {
            if (job.kind.equals("oneway")) {
                if (sent % ONEWAY_BURST == ONEWAY_BURST - 1) producer.send(message());
                else producer.sendOneway(message());
            } else if (job.inFlight == 1) {
                long from = System.nanoTime();
                producer.send(message());
                latencies.record(System.nanoTime() - from);
            } else {
                places.acquire();
                sendWithCallback(places, latencies);
            }
            sent++;
        }
        places.acquire(job.inFlight);
        return sent;
    }

    private void sendWithCallback(Semaphore places, Latencies latencies) throws Exception {
        long from = System.nanoTime();
        SendCallback callback = new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
                latencies.record(System.nanoTime() - from);
                places.release();
            }

            @Override
            public void onException(Throwable error) {
                failure.compareAndSet(null, error);
                places.release();
            }
        };
        if (job.kind.equals("batch")) producer.send(messages(), callback);
        else producer.send(message(), callback);
    }

    private Message message() {
        return new Message(job.topic, "TagA", body);
    }

    private List<Message> messages() {
        List<Message> messages = new ArrayList<>(job.batch);
        for (int i = 0; i < job.batch; i++) messages.add(message());
        return messages;
    }
}
