import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.common.message.MessageExt;

/** The official lite pull consumer, from `startLitePull` to `liteStop`. */
final class LitePullVerbs {
  private static final Map<String, DefaultLitePullConsumer> CONSUMERS = new ConcurrentHashMap<>();

  private LitePullVerbs() {}

  /** Subscribes to `topics`, or takes the queues of `assign`. Its client id is what it is known by from now on. */
  static Object start(Args args) throws Exception {
    DefaultLitePullConsumer consumer = Clients.litePullConsumer(args);
    Beans.setAll(consumer, args.object("options"));
    for (Object subscription : args.list("topics")) subscribe(consumer, Args.of(subscription));
    consumer.start();
    if (args.has("assign")) consumer.assign(Beans.queues(args.list("assign")));
    String clientId = consumer.buildMQClientId();
    CONSUMERS.put(clientId, consumer);
    return Args.map("clientId", clientId);
  }

  static Object poll(Args args) throws Exception {
    List<Object> messages = new ArrayList<>();
    for (MessageExt message : consumer(args).poll(args.number("pollTimeout", 5_000))) messages.add(MessageFields.withBodyHash(message));
    return Args.map("messages", messages);
  }

  /** Stores, at the broker, how far it has polled. */
  static Object commit(Args args) throws Exception {
    DefaultLitePullConsumer consumer = consumer(args);
    consumer.commit(consumer.assignment(), true);
    return Args.map();
  }

  static Object stop(Args args) {
    consumer(args).shutdown();
    CONSUMERS.remove(args.text("clientId"));
    return Args.map();
  }

  private static void subscribe(DefaultLitePullConsumer consumer, Args subscription) throws Exception {
    String expression = subscription.text("expression", "*");
    if (subscription.text("type", "TAG").equals("SQL92")) consumer.subscribe(subscription.text("topic"), MessageSelector.bySql(expression));
    else consumer.subscribe(subscription.text("topic"), expression);
  }

  private static DefaultLitePullConsumer consumer(Args args) {
    DefaultLitePullConsumer consumer = CONSUMERS.get(args.text("clientId"));
    if (consumer == null) throw new IllegalArgumentException("no lite pull consumer " + args.text("clientId") + ", only " + CONSUMERS.keySet());
    return consumer;
  }
}
