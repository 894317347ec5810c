import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sends messages with the official producer; {@link Messages} says how they are given. */
final class ProduceVerbs {
  private static final int MAX_IN_FLIGHT = 256;
  private static final int MAX_KIBIBYTES_IN_FLIGHT = 24 * 1024;

  private ProduceVerbs() {}

  /** Sends each message on its own, many at a time; `ordered` waits for each before the next. The outcomes are in the order of the messages. */
  static Object produce(Args args) throws Exception {
    List<Messages.Spec> specs = Messages.read(args);
    Object[] outcomes = new Object[specs.size()];
    DefaultMQProducer producer = Clients.producer(args);
    try {
      Semaphore slots = new Semaphore(args.flag("ordered", false) ? 1 : MAX_IN_FLIGHT);
      Semaphore memory = new Semaphore(MAX_KIBIBYTES_IN_FLIGHT);
      CountDownLatch open = new CountDownLatch(outcomes.length);
      for (int i = 0; i < outcomes.length; i++) {
        int index = i;
        int kibibytes = 1 + specs.get(i).message.getBody().length / 1024;
        slots.acquire();
        memory.acquire(kibibytes);
        send(producer, specs.get(i), outcome -> {
          outcomes[index] = outcome;
          slots.release();
          memory.release(kibibytes);
          open.countDown();
        });
      }
      open.await();
    } finally {
      producer.shutdown();
    }
    return Args.map("outcomes", Arrays.asList(outcomes));
  }

  /** Sends all messages as one batch in one request. */
  static Object produceBatch(Args args) throws Exception {
    List<Message> messages = new ArrayList<>();
    for (Messages.Spec spec : Messages.read(args)) messages.add(spec.message);
    DefaultMQProducer producer = Clients.producer(args);
    try {
      if (!args.has("queueId")) return outcome(producer.send(messages));
      MessageQueue queue = queue(producer.fetchPublishMessageQueues(args.text("topic")), (int) args.number("queueId"), args.text("brokerName", null));
      return outcome(producer.send(messages, queue));
    } finally {
      producer.shutdown();
    }
  }

  private interface Settled {
    void with(Object outcome);
  }

  private static void send(DefaultMQProducer producer, Messages.Spec spec, Settled settled) {
    SendCallback callback = new SendCallback() {
      @Override
      public void onSuccess(SendResult result) {
        settled.with(outcome(result));
      }

      @Override
      public void onException(Throwable e) {
        settled.with(Args.map("error", Oracle.describe(e)));
      }
    };
    try {
      if (spec.queueId < 0) producer.send(spec.message, callback);
      else producer.send(spec.message, (queues, message, none) -> queue(queues, spec.queueId, spec.brokerName), null, callback);
    } catch (Exception e) {
      callback.onException(e);
    }
  }

  private static MessageQueue queue(Iterable<MessageQueue> queues, int queueId, String brokerName) {
    for (MessageQueue queue : queues) {
      if (queue.getQueueId() == queueId && (brokerName == null || brokerName.equals(queue.getBrokerName()))) return queue;
    }
    throw new IllegalArgumentException("no queue " + queueId + " on " + (brokerName == null ? "any broker" : brokerName) + " in " + queues);
  }

  private static Map<String, Object> outcome(SendResult result) {
    return Args.map(
        "sendStatus", result.getSendStatus(),
        "msgId", result.getMsgId(),
        "offsetMsgId", result.getOffsetMsgId(),
        "brokerName", result.getMessageQueue().getBrokerName(),
        "queueId", result.getMessageQueue().getQueueId(),
        "queueOffset", result.getQueueOffset(),
        "transactionId", result.getTransactionId(),
        "regionId", result.getRegionId(),
        "recallHandle", TimingVerbs.recallHandleOf(result));
  }
}
