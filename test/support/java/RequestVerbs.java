import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests of the official producer, and replies of the official push consumer, from `startReplier` to `stopReplier`. */
final class RequestVerbs {
  private static final byte[] PREFIX = {'r', 'e', ':', ' '};
  /** How much later than its time a request may be told that it is over. */
  private static final long GRACE = 10_000;
  private static final Map<String, Replier> REPLIERS = new ConcurrentHashMap<>();

  private RequestVerbs() {}

  /** Requests each message, many at a time; the outcomes are in the order of the messages. */
  static Object request(Args args) throws Exception {
    DefaultMQProducer producer = Clients.producer(args);
    ExecutorService threads = Executors.newFixedThreadPool((int) args.number("concurrency", 32));
    try {
      List<Future<Object>> waiting = new ArrayList<>();
      long timeout = args.number("requestTimeout", 30_000);
      for (Messages.Spec spec : Messages.read(args)) waiting.add(threads.submit(() -> request(producer, spec.message, timeout)));
      List<Object> outcomes = new ArrayList<>();
      for (Future<Object> outcome : waiting) outcomes.add(outcome.get());
      return Args.map("clientId", producer.buildMQClientId(), "outcomes", outcomes);
    } finally {
      threads.shutdown();
      producer.shutdown();
    }
  }

  private static Object request(DefaultMQProducer producer, Message message, long timeout) {
    try {
      Answer answer = new Answer();
      producer.request(message, answer, timeout);
      Message reply = answer.await(timeout + GRACE);
      String correlationId = message.getProperty("CORRELATION_ID");
      return Args.map("correlationId", correlationId, "reply", MessageFields.withBody((MessageExt) reply));
    } catch (Exception e) {
      return Args.map("error", Oracle.describe(e));
    }
  }

  /**
   * The outcome of a request with a callback. The form without one gives up in 5.3.3 as soon as the request is sent, and the form with one calls back at that
   * time too, without a message.
   */
  private static final class Answer implements RequestCallback {
    private final CompletableFuture<Message> reply = new CompletableFuture<>();

    @Override
    public void onSuccess(Message message) {
      if (message != null) reply.complete(message);
    }

    @Override
    public void onException(Throwable e) {
      reply.completeExceptionally(e);
    }

    Message await(long millis) throws Exception {
      try {
        return reply.get(millis, TimeUnit.MILLISECONDS);
      } catch (ExecutionException e) {
        throw e.getCause() instanceof Exception ? (Exception) e.getCause() : e;
      }
    }
  }

  private static final class Replier {
    final DefaultMQPushConsumer consumer;
    final DefaultMQProducer producer;
    final AtomicInteger answered = new AtomicInteger();
    final Queue<Object> failures = new ConcurrentLinkedQueue<>();

    Replier(DefaultMQPushConsumer consumer, DefaultMQProducer producer) {
      this.consumer = consumer;
      this.producer = producer;
    }

    /** The reply has the body of the request behind `re: `, and its property `index`. */
    void reply(MessageExt request) {
      if (request.getProperty("REPLY_TO_CLIENT") == null) return;
      try {
        byte[] body = new byte[PREFIX.length + request.getBody().length];
        System.arraycopy(PREFIX, 0, body, 0, PREFIX.length);
        System.arraycopy(request.getBody(), 0, body, PREFIX.length, request.getBody().length);
        Message reply = MessageUtil.createReplyMessage(request, body);
        String index = request.getProperty("index");
        if (index != null) reply.putUserProperty("index", index);
        producer.send(reply);
        answered.incrementAndGet();
      } catch (Exception e) {
        failures.add(Oracle.describe(e));
      }
    }
  }

  /** Answers the requests of `topic` as a member of `group`, which is what it is known by from now on. */
  static Object startReplier(Args args) throws Exception {
    DefaultMQPushConsumer consumer = Clients.pushConsumer(args);
    Replier replier = new Replier(consumer, Clients.producer(args));
    // Replies under way are counted before the replier is gone.
    consumer.setAwaitTerminationMillisWhenShutdown(10_000);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(args.text("topic"), "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) replier.reply(message);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    REPLIERS.put(args.text("group"), replier);
    return Args.map();
  }

  static Object stopReplier(Args args) {
    Replier replier = REPLIERS.remove(args.text("group"));
    replier.consumer.shutdown();
    replier.producer.shutdown();
    return Args.map("answered", replier.answered.get(), "failures", new ArrayList<>(replier.failures));
  }
}
