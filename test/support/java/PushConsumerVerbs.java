import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.impl.consumer.RebalanceImpl;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The official push consumer, from `startPushConsumer` to `stopConsumer`. */
final class PushConsumerVerbs {
  private static final long GRACE = 30_000;
  private static final Map<String, Member> MEMBERS = new ConcurrentHashMap<>();

  private PushConsumerVerbs() {}

  /** Its client id is what it is known by from now on; what it was given can be asked for until the JVM ends. */
  static Object start(Args args) throws Exception {
    DefaultMQPushConsumer consumer = Clients.pushConsumer(args);
    if (args.has("strategy")) consumer.setAllocateMessageQueueStrategy(AllocateVerb.strategy(Args.of(args.get("strategy"))));
    Beans.setAll(consumer, args.object("options"));
    for (Object subscription : args.list("topics")) subscribe(consumer, Args.of(subscription));
    Member member = new Member(consumer, new Deliveries(args), new Handler(Args.of(args.object("handler"))));
    if (args.text("mode", "concurrently").equals("orderly")) consumer.registerMessageListener((MessageListenerOrderly) member::orderly);
    else consumer.registerMessageListener((MessageListenerConcurrently) member::concurrently);
    consumer.start();
    String clientId = consumer.buildMQClientId();
    MEMBERS.put(clientId, member);
    return Args.map("clientId", clientId);
  }

  static Object consumed(Args args) {
    return member(args).deliveries.from(args);
  }

  /** The queues that it works on now, retry topics included, with the names of the wire. */
  static Object ownedQueues(Args args) throws Exception {
    RebalanceImpl rebalance = member(args).consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl();
    List<Object> owned = new ArrayList<>();
    for (var entry : new TreeMap<>(rebalance.getProcessQueueTable()).entrySet()) {
      if (!entry.getValue().isDropped()) owned.add(owned(entry.getKey(), "PULL", entry.getValue().isLocked()));
    }
    for (MessageQueue queue : new TreeSet<>(popQueues(rebalance))) owned.add(owned(queue, "POP", false));
    return Args.map("queues", owned);
  }

  /** `graceful` waits for handlers that run. The official client doesn't by default. */
  static Object stop(Args args) {
    Member member = member(args);
    if (args.flag("graceful", true)) {
      member.consumer.setAwaitTerminationMillisWhenShutdown(GRACE);
      member.handler.end.countDown();
    }
    member.consumer.shutdown();
    member.handler.end.countDown();
    return Args.map();
  }

  private static void subscribe(DefaultMQPushConsumer consumer, Args subscription) throws Exception {
    String expression = subscription.text("expression", "*");
    if (subscription.text("type", "TAG").equals("SQL92")) consumer.subscribe(subscription.text("topic"), MessageSelector.bySql(expression));
    else consumer.subscribe(subscription.text("topic"), expression);
  }

  private static Map<String, Object> owned(MessageQueue queue, String mode, boolean isLocked) {
    Map<String, Object> fields = Beans.queue(queue);
    fields.putAll(Args.map("mode", mode, "locked", isLocked));
    return fields;
  }

  /** By reflection: 4.x doesn't pop. */
  @SuppressWarnings("unchecked")
  private static Set<MessageQueue> popQueues(RebalanceImpl rebalance) throws ReflectiveOperationException {
    try {
      return ((Map<MessageQueue, Object>) RebalanceImpl.class.getMethod("getPopProcessQueueTable").invoke(rebalance)).keySet();
    } catch (NoSuchMethodException e) {
      return Collections.emptySet();
    }
  }

  private static Member member(Args args) {
    Member member = MEMBERS.get(args.text("clientId"));
    if (member == null) throw new IllegalArgumentException("no push consumer " + args.text("clientId") + ", only " + MEMBERS.keySet());
    return member;
  }

  /** What the listener does with the messages of each call: sleeps, hangs until the consumer is stopped, refuses some. */
  private static final class Handler {
    final CountDownLatch end = new CountDownLatch(1);
    final int delayLevel;
    private final long sleep;
    private final boolean hang;
    private final long failEvery;
    private final long failBelow;
    private final AtomicInteger calls = new AtomicInteger();

    Handler(Args args) {
      delayLevel = (int) args.number("delayLevel", 0);
      sleep = args.number("sleep", 0);
      hang = args.flag("hang", false);
      failEvery = args.number("failEvery", 0);
      failBelow = args.number("failBelow", 0);
    }

    boolean isToFail(List<MessageExt> messages) {
      boolean isNth = failEvery > 0 && calls.incrementAndGet() % failEvery == 0;
      return isNth || messages.get(0).getReconsumeTimes() < failBelow;
    }

    void work() throws InterruptedException {
      if (sleep > 0) Thread.sleep(sleep);
      if (hang) end.await();
    }
  }

  private static final class Member {
    final DefaultMQPushConsumer consumer;
    final Deliveries deliveries;
    final Handler handler;

    Member(DefaultMQPushConsumer consumer, Deliveries deliveries, Handler handler) {
      this.consumer = consumer;
      this.deliveries = deliveries;
      this.handler = handler;
    }

    ConsumeConcurrentlyStatus concurrently(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
      if (accepts(messages)) return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
      context.setDelayLevelWhenNextConsume(handler.delayLevel);
      return ConsumeConcurrentlyStatus.RECONSUME_LATER;
    }

    ConsumeOrderlyStatus orderly(List<MessageExt> messages, ConsumeOrderlyContext context) {
      return accepts(messages) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
    }

    private boolean accepts(List<MessageExt> messages) {
      boolean isToFail = handler.isToFail(messages);
      try {
        for (MessageExt message : messages) deliveries.add(message, isToFail ? "FAIL" : "OK");
        handler.work();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
      return !isToFail;
    }
  }
}
