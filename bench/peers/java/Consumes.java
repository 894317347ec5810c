import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Reads a backlog with a handler that only counts: pushed, in order, or pulled by one thread for each queue. */
class Consumes {
    private final Job job;
    private final Outcome outcome = new Outcome();
    private final AtomicLong received = new AtomicLong();
    private final CountDownLatch done = new CountDownLatch(1);
    private volatile boolean isOpen = true;
    private volatile long warmUp = -1;
    private volatile Window window;

    Consumes(Job job) {
        this.job = job;
    }

    Outcome run() throws Exception {
        if (job.kind.equals("pull")) return pull();
        DefaultMQPushConsumer consumer = pushConsumer(job, job.kind.equals("ordered"), this::receive);
        try {
            watch();
        } finally {
            consumer.shutdown();
        }
        return outcome;
    }

    interface Handler {
        void receive(List<MessageExt> messages);
    }

    static DefaultMQPushConsumer pushConsumer(Job job, boolean isOrderly, Handler handler) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(job.group + "-consumer");
        consumer.setNamesrvAddr(job.namesrvAddr);
        consumer.setInstanceName(job.group + "-consumer");
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPullBatchSize(job.batch);
        consumer.subscribe(job.topic, "*");
        if (isOrderly) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                handler.receive(messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                handler.receive(messages);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        consumer.start();
        return consumer;
    }

    private Outcome pull() throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(job.group);
        consumer.setNamesrvAddr(job.namesrvAddr);
        consumer.setInstanceName(job.group);
        consumer.start();
        try {
            for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(job.topic)) {
                Thread thread = new Thread(() -> pullQueue(consumer, queue));
                thread.setDaemon(true);
                thread.start();
            }
            watch();
        } finally {
            consumer.shutdown();
        }
        return outcome;
    }

    private void pullQueue(DefaultMQPullConsumer consumer, MessageQueue queue) {
        long offset = 0;
        while (isOpen) {
            try {
                PullResult result = consumer.pull(queue, "*", offset, job.batch);
                if (result.getMsgFoundList() == null) return;
                receive(result.getMsgFoundList());
                offset = result.getNextBeginOffset();
            } catch (Exception error) {
                if (isOpen) outcome.fault = error.toString();
                return;
            }
        }
    }

    private void receive(List<MessageExt> messages) {
        for (MessageExt message : messages) {
            if (message.getBody().length != job.bodySize) outcome.fault = "a body of " + message.getBody().length + " bytes";
        }
        long total = received.addAndGet(messages.size());
        if (total >= job.warmUp && window == null) startWindow();
        if (window != null && total >= warmUp + job.messages) stopWindow();
    }

    private synchronized void startWindow() {
        if (window != null) return;
        warmUp = received.get();
        window = new Window();
    }

    private synchronized void stopWindow() {
        if (!isOpen || window == null) return;
        window.stop(outcome);
        outcome.total = received.get();
        outcome.messages = outcome.total - warmUp;
        isOpen = false;
        done.countDown();
    }

    /** Ends warm-up and window when their time is over. */
    private void watch() throws InterruptedException {
        while (received.get() == 0) TimeUnit.MILLISECONDS.sleep(1);
        if (!done.await(job.maxWarmUp, TimeUnit.MILLISECONDS)) startWindow();
        if (!done.await(job.maxWindow, TimeUnit.MILLISECONDS)) stopWindow();
    }
}
